"""Every error has a message in both languages, and the tree of errors is drawn as it is."""

import inspect
import pickle
import re
from dataclasses import fields, is_dataclass, replace
from typing import get_args, get_type_hints

import pytest

from reranker.config.settings import Precision
from reranker.core import errors
from reranker.core.errors import (
    BackendFailed,
    BackendRefused,
    CheckpointBroken,
    CheckpointFieldInvalid,
    CheckpointMissing,
    CheckpointUnsupported,
    CheckpointWeightsInvalid,
    DatasetInvalid,
    DatasetSpecInvalid,
    DeviceFault,
    DeviceMissing,
    DocumentInvalid,
    DownloadFailed,
    DownloadFailureReason,
    ExampleInvalid,
    Fault,
    FaultReason,
    FieldRule,
    NameTemplateInvalid,
    PictureBeyondContext,
    PictureError,
    PictureFileTooLarge,
    PictureMissing,
    PictureScoreNotFinite,
    PictureTooLarge,
    PictureTooNarrow,
    PictureUnreadable,
    PictureUnscored,
    PrecisionUnsuitable,
    QueryTooLong,
    RerankerError,
    SettingInvalid,
    TemplateFault,
    TooManyPictures,
    UnreadableReason,
    VectorFault,
    WeightFault,
)
from reranker.i18n.error_messages import Language, fault_sentence, sentence

LANGUAGES = get_args(Language)
NAME = "海报 7.png"
VALUES = {
    str: "x7",
    int: 7_000_000,
    float: 3.5,
    PictureError: PictureMissing(NAME),
    RerankerError: CheckpointUnsupported(name=NAME, reason="x7"),
}
CHINESE = re.compile("[\u4e00-\u9fff]")


def subclasses_of(error_class: type[RerankerError]) -> list[type[RerankerError]]:
    """Return a class of the tree and all its subclasses; tests may define others."""
    children = [child for child in error_class.__subclasses__() if child.__module__ == errors.__name__]
    return [error_class, *(deeper for child in children for deeper in subclasses_of(child))]


REASONS = {
    BackendRefused: VectorFault,
    CheckpointFieldInvalid: FieldRule,
    CheckpointWeightsInvalid: WeightFault,
    DeviceMissing: DeviceFault,
    DatasetSpecInvalid: get_type_hints(DatasetSpecInvalid)["reason"],
    DocumentInvalid: get_type_hints(DocumentInvalid)["reason"],
    ExampleInvalid: get_type_hints(ExampleInvalid)["reason"],
    PictureUnreadable: UnreadableReason,
    DownloadFailed: DownloadFailureReason,
    NameTemplateInvalid: TemplateFault,
}
EVERY_CLASS = subclasses_of(RerankerError)
FAULT = Fault(file="labels.jsonl", line=1234, reason="picture missing", value="b.jpg")


def example(error_class: type[RerankerError], **given) -> RerankerError:
    """Return an error with a value in every field, and sizes beyond their limits."""
    if not is_dataclass(error_class):
        return error_class()
    if error_class in REASONS:
        given = {"reason": get_args(REASONS[error_class])[0], **given}
    given = {"name": NAME, "max_bytes": 5, "max_pixels": 5, "missing": "x7", "faults": (FAULT,), **given}
    hints = get_type_hints(error_class)
    return error_class(
        **{each.name: given.get(each.name, VALUES.get(hints[each.name])) for each in fields(error_class)}
    )


EVERY_ERROR = [
    *map(example, EVERY_CLASS),
    *(example(error_class, reason=reason) for error_class, reasons in REASONS.items() for reason in get_args(reasons)),
    *(example(CheckpointBroken, reason=reason) for reason in ("truncated", "digest")),
    *(example(BackendFailed, reason=reason) for reason in ("package", "provider", "precision", "disk")),
    *(example(CheckpointWeightsInvalid, reason=reason, more=0) for reason in get_args(WeightFault)),
    example(PictureBeyondContext, example_tokens=0),
    example(CheckpointMissing, missing=None),
    example(CheckpointMissing, missing="preprocessing"),
    *(example(error_class, precision="fp32") for error_class in (PictureScoreNotFinite, PrecisionUnsuitable)),
    example(DatasetInvalid, faults=(FAULT, FAULT)),
]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=str)
def test_errors_can_be_pickled(error):
    again = pickle.loads(pickle.dumps(error))
    assert repr(again) == repr(error)


def drawn_tree() -> dict[str, str | None]:
    """Return the base class of each class, as the docstring of `errors` draws them: four columns a branch."""
    lines = inspect.getdoc(errors).splitlines()
    left = next(line.index("RerankerError") for line in lines if line.strip() == "RerankerError")
    parents: dict[str, str | None] = {}
    above: dict[int, str] = {-1: None}
    for line in lines:
        if found := re.fullmatch(r"((?:[│ ]   )*[├└]── )?([A-Z]\w+)(  .*)?", line[left:]):
            depth = len(found[1] or "") // 4
            parents[found[2]] = above[depth - 1]
            above[depth] = found[2]
    return parents


def test_the_drawn_tree_matches_the_classes():
    bases = {each.__name__: None if each is RerankerError else each.__base__.__name__ for each in EVERY_CLASS}
    assert drawn_tree() == bases


def test_every_class_of_the_module_is_in_the_tree():
    members = [member for _, member in inspect.getmembers(errors, inspect.isclass)]
    assert {each for each in members if each.__module__ == errors.__name__} == {*EVERY_CLASS, Fault}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("error", EVERY_ERROR, ids=str)
def test_every_message_is_one_line_and_has_the_name(error, language):
    words = sentence(error, language)
    assert words.endswith({"en": ".", "zh": "。"}[language])
    assert words.count("\n") == 0
    assert not re.search(r"[{}]|None|Error|Traceback", words)
    assert getattr(error, "name", "") in words
    assert bool(CHINESE.search(words.replace(NAME, ""))) == (language == "zh")
    assert ("; " in words or ": " in words) if language == "en" else "；" in words  # what happened; what to do


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_errors_share_a_message(language):
    words = {sentence(error, language) for error in EVERY_ERROR}
    assert len(words) == len(EVERY_ERROR) - len(REASONS)  # the first reason of each is there twice


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("error_class", [error_class for error_class in EVERY_CLASS if is_dataclass(error_class)])
def test_every_field_of_an_error_is_in_its_message(error_class, language):
    error = example(error_class)
    others = {
        "name": "other.png",
        "max_bytes": 6,
        "max_pixels": 6,
        "missing": "y8",
        "faults": (replace(FAULT, value="c.jpg"),),
        str: "y8",
        int: 8_000_000,
        float: 4.5,
        PictureError: PictureMissing("other.png"),
        RerankerError: CheckpointUnsupported(name="other", reason="other"),
    }
    if error_class in REASONS:
        others["reason"] = get_args(REASONS[error_class])[1]
    if error_class is CheckpointWeightsInvalid:
        error = replace(error, reason="shape")  # a weight that is missing has no shape
        others["reason"] = "missing"
    hints = get_type_hints(error_class)
    for name in (each.name for each in fields(error_class)):
        other = replace(error, **{name: others.get(name, others.get(hints[name]))})
        assert sentence(other, language) != sentence(error, language), name


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("precision", [each for each in get_args(Precision) if each != "auto"])
@pytest.mark.parametrize("error_class", [PictureScoreNotFinite, PrecisionUnsuitable])
def test_a_score_that_is_no_number_brings_advice_of_other_precisions_alone(error_class, precision, language):
    """Fewer numbers overflow in bf16 than in fp16 or quantized layers, and fewest in fp32."""
    words = sentence(example(error_class, precision=precision), language)
    advice = words.rpartition({"en": ";", "zh": "；"}[language])[2]
    advised = {each for each in get_args(Precision) if re.search(rf"\b{each}\b", advice.replace("或", " "), re.ASCII)}
    assert advised == {"fp32": set(), "bf16": {"fp32"}}.get(precision, {"bf16", "fp32"})
    assert precision in words
    assert ("download" in advice or "下载" in advice) == (precision == "fp32")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_value_of_any_length_leaves_the_message_readable(language):
    assert len(sentence(SettingInvalid(setting="detail", value="9" * 5000, expected="low"), language)) < 300


HEAVY = PictureFileTooLarge(name="a.png", size_bytes=61_000_000, max_bytes=50_000_000)
LARGE = PictureTooLarge(name="a.png", width=12_000, height=10_001, max_pixels=100_000_000)
NARROW = PictureTooNarrow(name="a.png", width=10, height=2001, max_aspect_ratio=200.0)


@pytest.mark.parametrize(
    ("error", "english", "chinese"),
    [
        (HEAVY, "61.0 MB; the limit is 50 MB", "61.0 MB，上限为 50 MB"),
        (LARGE, "12,000 × 10,001 pixels, 120.0 megapixels; the limit is 100", "120.0 百万像素，上限为 100 百万像素"),
        (NARROW, "10 × 2,001 pixels, one side 200.1 times the other; the limit is 200", "200.1 倍，上限为 200 倍"),
        (QueryTooLong(length=2001, max_length=2000), "2,001 characters; the limit is 2,000", "上限为 2,000"),
        (TooManyPictures(count=501, max_count=500), "501 given, at most 500", "最多接受 500"),
    ],
)
def test_units_of_sizes(error, english, chinese):
    assert english in sentence(error, "en")
    assert chinese in sentence(error, "zh")


@pytest.mark.parametrize("over", [1, 10, 999, 12_345, 10**6, 10**9])
@pytest.mark.parametrize("limit", [20_000, 1_500_000, 50_000_000, 2 * 10**9])
def test_a_size_just_above_the_limit_is_shown_with_enough_decimals(limit, over):
    words = sentence(PictureFileTooLarge(name="a", size_bytes=limit + over, max_bytes=limit), "en")
    size, most = (float(number.replace(",", "")) for number in re.findall(r"([\d,.]+) [kMG]B", words))
    assert size > most or over / limit < 1e-6


FOLDERS = ["/srv/pictures/2024", "/srv/my pictures", "C:\\Users\\Li Hua", "\\\\server\\share", "~/pictures", "../.."]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_are_not_shown(folder, language):
    path = folder + ("\\" if "\\" in folder else "/") + "a.bin"
    cause = f"No such file or directory: '{path}'"
    for error in [
        PictureMissing(name=path),
        PictureUnscored(name="a.bin", reason=cause),
        CheckpointMissing(name=path),
        CheckpointBroken(name="m", file=path, reason=cause),
        CheckpointUnsupported(name=path, reason="no config"),
        SettingInvalid(setting="store", value=path, expected="a file"),
    ]:
        words = sentence(error, language)
        assert "a.bin" in words
        assert not re.search(r"[\\/]|srv|pictures/|Users|server", words)


def test_the_name_of_a_model_of_the_hub_is_not_shortened():
    assert "“vec-ai/lychee-rerank-mm”" in sentence(CheckpointMissing(name="vec-ai/lychee-rerank-mm"), "en")


@pytest.mark.parametrize(
    "name", ["a\nb.png", "a\u202egnp.exe", "\udcff.png", "{name}.png", "%s {0} {size.real}.png", ""]
)
def test_names_with_control_characters_are_shown_on_one_line(name):
    for language in LANGUAGES:
        words = sentence(PictureMissing(name=name), language)
        assert words.isprintable()
        assert words.encode()
        assert not set(name) & set("{%") or name in words


def test_an_unknown_subclass_has_the_message_of_its_base_class():
    class StolenPictureError(PictureError):
        """A class that is not in the tree."""

    for language in LANGUAGES:
        assert sentence(StolenPictureError(name=NAME), language) == sentence(PictureError(name=NAME), language)


EVERY_FAULT = [replace(FAULT, reason=reason) for reason in get_args(FaultReason)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=lambda fault: fault.reason)
def test_every_fault_has_one_line_that_names_file_and_line(fault, language):
    words = fault_sentence(fault, language)
    assert words.startswith({"en": "“labels.jsonl”, line 1234: ", "zh": "“labels.jsonl”第 1234 行："}[language])
    assert words.endswith({"en": ".", "zh": "。"}[language])
    assert not re.search(r"[{}\n]", words)
    assert bool(CHINESE.search(words)) == (language == "zh")
    assert {"en": "; ", "zh": "；"}[language] in words  # what is wrong; what to do


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_faults_share_a_message(language):
    assert len({fault_sentence(fault, language) for fault in EVERY_FAULT}) == len(EVERY_FAULT)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fault_of_a_whole_file_names_no_line(language):
    words = fault_sentence(replace(FAULT, line=None), language)
    assert words.startswith({"en": "“labels.jsonl”: ", "zh": "“labels.jsonl”："}[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fault_shows_its_value_on_one_line_and_without_folders(language):
    for value in ("/srv/pictures/b.jpg", "C:\\my pictures\\b.jpg", "sub/b.jpg"):
        words = fault_sentence(replace(FAULT, value=value), language)
        assert "“b.jpg”" in words
        assert not re.search(r"[\\/]|srv|sub|my pictures", words)
    long = fault_sentence(replace(FAULT, reason="score", value="\n{9}" * 1000), language)
    assert long.isprintable()
    assert len(long) < 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invalid_dataset_shows_its_first_fault_and_the_number_of_others(language):
    several = DatasetInvalid(name="x", faults=(FAULT, *EVERY_FAULT))
    words = sentence(several, language)
    assert fault_sentence(FAULT, language) in words
    assert words.replace(fault_sentence(FAULT, language), "").count(str(len(EVERY_FAULT))) == 1
    assert not re.search(r"\d", sentence(replace(several, faults=(FAULT,)), language).replace("1234", ""))
