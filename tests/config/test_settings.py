"""Settings come from one place, and a wrong one is told by its name."""

import os
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reranker.config.settings import CHOICES, PREFIX, SWITCHES, Settings, all_settings
from reranker.core.errors import SettingInvalid
from reranker.i18n.error_messages import sentence

HERE = Path(__file__).parent
OTHERS = {
    "detail": "auto",
    "revision": "v2",
    "scoring": "rating",
    "instruction": "product",
    "model": "~/models/模型",
    "device": "cuda",
    "precision": "fp16",
    "workers": "auto",
    "ray_address": "10.0.0.1:6379",
    "host": "0.0.0.0",
    "root_path": "/rank",
    "auth": "me:secret",
    "api_key": "k",
    "frame_ancestors": "https://example.org",
}
ALONE_REFUSED = {"share": {"RERANKER_SHARE_OPENLY": "true"}}
SETTINGS = {setting.key: setting for setting in all_settings()}
NAMES = list(SETTINGS)
NUMBERS = [key for key, setting in SETTINGS.items() if setting.type is int]


def values(settings: Settings) -> dict[str, object]:
    """Every setting by its key."""
    return {key: settings.get(setting) for key, setting in SETTINGS.items()}


def other_than_default(name: str) -> str | int | bool | tuple[object, ...]:
    default = SETTINGS[name].default
    if name == "libraries":
        return ("holidays", "a/folder")
    if isinstance(default, tuple):
        return (HERE, HERE.parent)
    return OTHERS[name] if isinstance(default, str) else not default if isinstance(default, bool) else default + 1


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_read_from_the_environment(name: str) -> None:
    value = other_than_default(name)
    text = os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)
    besides = ALONE_REFUSED.get(name, {})
    read = Settings.from_environment({f"RERANKER_{name.upper()}": text, **besides})
    assert values(read) == {**values(Settings.from_environment(besides)), name: value}


def test_an_empty_environment_means_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


def test_an_empty_value_means_the_default() -> None:
    assert Settings.from_environment({PREFIX + name.upper(): "" for name in NAMES}) == Settings()


def test_what_is_not_ours_is_left_alone() -> None:
    assert Settings.from_environment({"PORT": "1", "RERANKER_": "1", "RERANKER_PORTS": "1"}) == Settings()


def test_without_a_mapping_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_BATCH_TOKENS", "3")
    assert Settings.from_environment().engine.batch_tokens == 3
    assert Settings().engine.batch_tokens != 3


@pytest.mark.parametrize("text", [*SWITCHES, *map(str.upper, SWITCHES)])
def test_switches_know_several_words(text: str) -> None:
    assert Settings.from_environment({"RERANKER_MCP": text}).server.mcp is SWITCHES[text.lower()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("share", "maybe"),
        ("port", "http"),
        ("port", "7860.5"),
        ("port", "0"),
        ("reader_threads", "0"),
        ("batch_tokens", "-1"),
        ("detail", "-1"),
        ("detail", "closest"),
        ("detail", "3"),
        ("detail", "４９"),
        ("vision_memory_mb", "-1"),
        ("device", "gpu"),
        ("precision", "int3"),
        ("share", "true"),
        ("port", "70000"),
        ("reader_threads", "1000000"),
        ("max_pictures", "9" * 5000),
        ("detail", "9" * 5000),
        ("detail", "16385"),
        ("device", "cuda:7"),
        ("device", "mps"),
        ("revision", "../../etc"),
        ("revision", "/etc/passwd"),
        ("instruction", "x" * 1001),
        ("instruction", "\udcff"),
        ("instruction", "\u200b"),
        ("host", "two words"),
        ("root_path", "/"),
        ("root_path", "rank"),
        ("root_path", "/rank/"),
        ("frame_ancestors", "https://example.org; script-src *"),
        ("frame_ancestors", "https://example.org\r\nset-cookie: a=b"),
    ],
)
def test_a_wrong_value_is_told_with_its_name_and_what_it_may_be(name: str, text: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Settings.from_environment({PREFIX + name.upper(): text})
    assert (caught.value.setting, caught.value.value) == (name, text)
    assert caught.value.expected


def test_what_spaces_say_of_host_and_port_holds_unless_ours_say_otherwise() -> None:
    of_gradio = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": "8000"}
    read = Settings.from_environment(of_gradio)
    assert (read.server.host, read.server.port) == ("0.0.0.0", 8000)
    assert Settings.from_environment(of_gradio | {"RERANKER_HOST": "127.0.0.1"}).server.host == "127.0.0.1"


def test_tools_for_programs_that_cannot_log_in_are_not_offered_where_people_must() -> None:
    with pytest.raises(SettingInvalid):
        Settings.of(mcp=True, auth="me:secret")


@pytest.mark.parametrize("auth", ["me", "me:", ":secret"])
def test_what_is_secret_is_never_said(auth: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Settings.of(auth=auth)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Settings.of(auth="me:secret", api_key="secret"))


def test_a_gallery_that_is_no_folder_is_told_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Settings.of(galleries=(tmp_path / "none",))
    assert caught.value.value == "none"


def test_every_setting_is_explained() -> None:
    assert [key for key, setting in SETTINGS.items() if not setting.help_text.endswith(".")] == []


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_below_its_least(name: str) -> None:
    least = 0 if name in {"batch_tokens", "vision_memory_mb", "score_store_mb"} else 1
    assert Settings.of(**{name: least}).get(SETTINGS[name]) == least
    with pytest.raises(SettingInvalid):
        Settings.of(**{name: least - 1})


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_may_be_chosen_and_is_told_to_who_chose_another(name: str) -> None:
    for choice in CHOICES[name]:
        assert Settings.of(**{name: choice}).get(SETTINGS[name]) == choice
    with pytest.raises(SettingInvalid) as caught:
        Settings.of(**{name: "other"})
    assert all(choice in caught.value.expected for choice in CHOICES[name])


def test_settings_cannot_be_changed_or_given_by_position() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().server.port = 1
    with pytest.raises(TypeError):
        Settings.of("toybox")


def test_the_page_is_served_to_this_machine_alone_unless_asked_otherwise() -> None:
    server = Settings().server
    assert (server.host, server.port, server.share) == ("127.0.0.1", 7860, False)


WRONG_TEXTS = [
    *("-1", "0", "1", "1e3", "nan", "true", "auto", "64", "16384", "9" * 5000, "１２", " 5 "),
    *("cuda:7", "mps", "fp8", "toybox", "..", "/", "~", "~nobody/x", "a/b", "/dev/null", "x" * 5000, "C:\\x"),
    *("", " ", "\n", "\0", "\udcff", "猫", "a:b", "%", "[::1]", "999.1.1.1", "..", "http://x", "'self'; x"),
]


def refusal(make: Callable[[], object]) -> SettingInvalid | None:
    """The error that explains why there are no settings; None if there are."""
    try:
        make()
    except SettingInvalid as error:
        return error
    return None


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(WRONG_TEXTS) | st.text(max_size=20), max_size=3))
def test_any_text_in_the_environment_makes_settings_or_a_sentence(texts: dict[str, str]) -> None:
    refused = refusal(lambda: Settings.from_environment({PREFIX + name.upper(): text for name, text in texts.items()}))
    if refused is not None:
        assert refused.setting in texts
        assert len(sentence(refused, "en")) < 400
        assert refused.expected in sentence(refused, "en")
        assert refused.setting in sentence(refused, "zh")


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=3) | st.sampled_from(WRONG_TEXTS)


@settings(max_examples=200, deadline=None)
@example("detail", 64)
@example("galleries", ["pictures"])
@example("galleries", (Path("x" * 300),))
@example("libraries", ["猫", "\0"])
@example("rescore_near_ties", "no")
@given(st.sampled_from(NAMES), VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(VALUES, VALUES, max_size=1))
def test_any_value_makes_settings_that_hold_it_or_a_sentence(name: str, value: object) -> None:
    refused = refusal(lambda: Settings.of(**{name: value}))
    if refused is None:
        assert type(value) is type(SETTINGS[name].default) or (name, value) == ("galleries", [])
    else:
        assert sentence(refused, "en").endswith("start again.")
