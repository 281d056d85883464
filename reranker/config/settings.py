"""All settings, in four groups, and the only code that reads the environment.

Each setting has a key, under which every interface knows it: the environment variable is RERANKER_ and the key in
capitals (RERANKER_MAX_PICTURES), the option of `serve` is the key with hyphens (--max-pictures), and `Settings.of`
takes it as a keyword. The help text of a setting is in the metadata of its field.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from reranker.core.errors import SettingInvalid
from reranker.core.text import is_blank, is_well_formed
from reranker.core.types import Scoring

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "nf4"]

AUTO: Final = "auto"
MEGABYTE: Final = 1_000_000
MIN_TOKENS, MAX_TOKENS = 4, 16_384
DETAILS: Final = ("low", "usual", "high", "auto")
TOKEN_COUNT: Final = re.compile(r"[0-9]{1,5}")
MAX_PORT: Final = 65_535
MAX_NUMBER: Final = 1_000_000_000  # of settings without a limit of their own; libraries do not take any number
MAX_THREADS: Final = 64
MAX_PICTURE_MB: Final = 4000  # reading a file takes memory for the limit, however small the file is
MAX_INSTRUCTION: Final = 1000  # characters
FORMS: Final = {
    "revision": re.compile(r"(?!.*(?:\.\.|//))[\w.+-][\w.+/-]{0,199}|"),  # no path out of the cache of the hub
    "root_path": re.compile(r"(?:https?:/)?(?:/[^\s/?#]+)*"),
    "host": re.compile(r"\S+"),
    "workers": re.compile(r"auto|[1-9][0-9]{0,3}"),
    "ray_address": re.compile(r"\S*"),
}
EXPECTED: Final = {
    "detail": f"{' | '.join(DETAILS)} | a number of visual tokens from {MIN_TOKENS} to {MAX_TOKENS:,}",
    "revision": "the name of a branch or tag, or a commit",
    "instruction": f"a visible text in Unicode of at most {MAX_INSTRUCTION:,} characters",
    "galleries": "folders of this machine",
    "libraries": "names or folders of libraries",
    "host": "an address of this machine, such as 127.0.0.1",
    "workers": "auto | a whole number from 1 to 9,999",
    "ray_address": "the address of a Ray cluster, such as 10.0.0.1:6379, or auto",
    "root_path": "a path that begins with a slash and does not end with one",
}
PREFIX: Final = "RERANKER_"
GRADIO_VARIABLES: Final = {"host": "GRADIO_SERVER_NAME", "port": "GRADIO_SERVER_PORT"}
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "device": get_args(Device),
    "precision": get_args(Precision),
    "scoring": get_args(Scoring),
}
HEADER_CHARACTERS: Final = frozenset(chr(code) for code in range(0x20, 0x7F)) - set(";,")
SWITCHES: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def _setting(
    default: Any, help_text: str, *, key: str = "", least: int = 1, most: int = MAX_NUMBER, secret: bool = False
) -> Any:
    """Describe one setting.

    key: its name outside of Python, the name of the field if empty. least, most: the ends of the range of a number.
    secret: keep the value out of `repr` and of error messages.
    """
    metadata = {"help": help_text, "key": key, "least": least, "most": most}
    return field(default=default, repr=not secret, metadata=metadata)


def _key(setting: Field[Any]) -> str:
    return str(setting.metadata["key"] or setting.name)


@dataclass(frozen=True, kw_only=True)
class _Group:
    """A group of settings, whose values are checked when it is made."""

    def __post_init__(self) -> None:
        """Raise `SettingInvalid` if a value is of another type than its setting, or out of its range."""
        for each in fields(self):
            _check(each, getattr(self, each.name))


@dataclass(frozen=True, kw_only=True)
class ModelSettings(_Group):
    """The model, and how it is run and prompted."""

    name: str = _setting(
        "auto",
        '"toybox"; "lychee", "lychee-3b"; "qwen3-vl-reranker-2b", "qwen3-vl-reranker-8b"; "qwen2.5-vl-7b", '
        '"qwen2.5-vl-3b", "qwen3-vl-2b", "qwen3-vl-4b", "qwen3-vl-8b"; an id of the Hugging Face hub; or a folder '
        'with a checkpoint. "auto" is the best of those on this machine for its CUDA GPU, else the toybox.',
        key="model",
    )
    revision: str = _setting("", "Branch, tag or commit of a model of the hub; its main branch if empty.")
    device: Device = _setting("auto", 'Where the model runs: "cpu" or "cuda"; "auto" is the GPU if there is one.')
    precision: Precision = _setting(
        "auto",
        "Number format of the weights; int8 and nf4 store the layers of the language tower in 8 and 4 bits. "
        '"auto" is the best that the device computes fast and that fits its memory.',
    )
    scoring: Scoring = _setting(
        "yes-no",
        'How a score is read off the model: "yes-no", as rerankers are trained; or "rating", the mean of the '
        "ratings that the model may answer, weighted by their probabilities, for models that are not rerankers.",
    )
    instruction: str = _setting(
        "",
        'For yes-no, what the pictures are searched for: "photo", "product", "document", "remote-sensing", "web" or a '
        "sentence of your own of at most 1,000 characters; if empty the instruction that the checkpoint names, else "
        '"web".',
    )
    detail: str = _setting(
        "usual",
        'Resolution at which pictures are encoded: "low", "usual" or "high" as the checkpoint defines them, a '
        'number of visual tokens for which the model has room, or "auto": all pictures at "low", then the best of them '
        'at "high".',
    )


@dataclass(frozen=True, kw_only=True)
class EngineSettings(_Group):
    """Sizes of batches, caches and thread pools."""

    batch_tokens: int = _setting(
        0, "Most tokens, visual and text, in a batch; 0 chooses by the memory of the device.", least=0
    )
    prefetch_threads: int = _setting(
        2,
        "Threads that read and decode pictures ahead of the device, up to 64.",
        key="reader_threads",
        most=MAX_THREADS,
    )
    feature_cache_mb: int = _setting(
        1024, "Host memory for the features of encoded pictures, in megabytes.", key="vision_memory_mb", least=0
    )
    workers: str = _setting(
        "1",
        "How many processes score pictures, each on a GPU of its own if there are GPUs; more than one needs the extra "
        '`cluster`. "auto" is one for each GPU that Ray or CUDA sees, or one for each machine.',
    )
    ray_address: str = _setting(
        "",
        'Address of the Ray cluster whose machines the workers are on, such as 10.0.0.1:6379; "auto" is the cluster '
        "that this machine belongs to. If empty, they are on this machine alone.",
    )
    rescore_near_ties: bool = _setting(
        False,
        "Score pictures within 0.1 log-odds of the first once more, one by one. In half precision the first place then "
        "does not depend on the pictures that were in a batch with them.",
    )
    score_store_mb: int = _setting(
        100, "Size of the file of stored scores in your cache folder, in megabytes; 0 stores none.", least=0
    )


@dataclass(frozen=True, kw_only=True)
class LimitSettings(_Group):
    """Limits of one picture, one request and the queue; a megabyte is 1,000,000 bytes."""

    max_picture_mb: int = _setting(50, "Largest file of a picture, in megabytes, up to 4,000.", most=MAX_PICTURE_MB)
    max_picture_mpx: int = _setting(100, "Largest picture, in megapixels.")
    max_decoding_mb: int = _setting(
        1500, "Memory for decoding, of all pictures that are decoded at the same time, in megabytes."
    )
    max_aspect_ratio: int = _setting(200, "Largest ratio of the longer side of a picture to its shorter side.")
    max_pictures: int = _setting(1000, "Most pictures in one upload or request.")
    max_query_length: int = _setting(1000, "Most characters of a query, and of the text beside a picture.")
    max_waiting: int = _setting(20, "Most people in the queue of the page, and most HTTP requests at once.")
    max_request_mb: int = _setting(200, "Largest HTTP request, in megabytes.")
    max_uploads_mb: int = _setting(
        10_000,
        "Most that the sessions of the page may take on the disk, and as much again for files that programs upload, "
        "in megabytes.",
    )


@dataclass(frozen=True, kw_only=True)
class ServerSettings(_Group):
    """The address of the page and the HTTP API, and their access rules."""

    galleries: tuple[Path, ...] = _setting(
        (), "Folders of this machine whose pictures the page offers; they are only read."
    )
    libraries: tuple[str, ...] = _setting(
        (), "Libraries that the page and the HTTP API search, by their names or folders; they are only read."
    )
    host: str = _setting("127.0.0.1", "Address to serve on; the default is for this machine alone.")
    port: int = _setting(7860, "Port of the page and the HTTP API.", most=MAX_PORT)
    share: bool = _setting(False, "Open a public address by Gradio's tunnel; needs auth, unless share_openly is set.")
    share_openly: bool = _setting(False, "Share with everybody who has the address.")
    root_path: str = _setting("", "Path of the page behind a proxy, such as /rank.")
    auth: str = _setting("", 'Login of the page, "name:password"; everybody may open it if empty.', secret=True)
    api_key: str = _setting(
        "",
        'Key that HTTP clients send as "Authorization: Bearer KEY". If empty no key is needed, unless auth is set: '
        "then the HTTP API is closed.",
        secret=True,
    )
    frame_ancestors: str = _setting(
        "'self' https://huggingface.co",
        "Sites whose pages may show this one in a frame, as in the header Content-Security-Policy.",
    )
    session_hours: int = _setting(
        24, "How long the page keeps pictures and rankings after they were last used, in hours.", most=24 * 365
    )
    replicas: int = _setting(
        1,
        "Processes that answer the HTTP API side by side, with the same workers; more than one needs the extra "
        "`cluster`. The page stays in one process.",
        most=MAX_THREADS,
    )
    mcp: bool = _setting(False, "Offer the functions of the page as MCP tools; not together with auth.")

    def __post_init__(self) -> None:
        """Raise `SettingInvalid` if a value is out of its range; secrets are not quoted."""
        super().__post_init__()
        name, colon, password = self.auth.partition(":")
        if self.auth and not (name and colon and password):
            raise SettingInvalid("auth", "…", "name:password")
        if self.share and not (self.auth or self.share_openly):
            raise SettingInvalid("share", "true", "used with auth=name:password, or with share_openly=true")
        if self.mcp and self.auth:
            raise SettingInvalid("mcp", "true", "used without auth, as MCP clients cannot log in")
        if not set(self.frame_ancestors) <= HEADER_CHARACTERS:
            raise SettingInvalid("frame_ancestors", self.frame_ancestors, "origins, with spaces between them")
        for folder in self.galleries:
            if not _is_folder(folder):
                raise SettingInvalid("galleries", folder.name, EXPECTED["galleries"])


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as the interfaces see it. group: the name of its group in `Settings`; type: of its value."""

    key: str
    group: str
    field: Field[Any]

    @property
    def type(self) -> Any:
        """The annotated type of the value."""
        return self.field.type

    @property
    def default(self) -> Any:
        """The value if nobody chooses another."""
        return self.field.default

    @property
    def help_text(self) -> str:
        """The effect of the setting, in one or two sentences."""
        return str(self.field.metadata["help"])

    @property
    def least(self) -> int:
        """The smallest value of a number."""
        return int(self.field.metadata["least"])


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. `Settings.of(model="lychee", max_pictures=5000)` sets some by their keys."""

    model: ModelSettings = field(default_factory=ModelSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return the defaults with some settings changed, each by its key. Raises `SettingInvalid`."""
        return cls().override(**values)

    def get(self, setting: Setting) -> Any:
        """Return the value of one setting."""
        return getattr(getattr(self, setting.group), setting.field.name)

    def override(self, **values: Any) -> Self:
        """Return a copy with some settings changed, each by its key. Raises `SettingInvalid`."""
        by_key = {setting.key: setting for setting in all_settings()}
        if unknown := [key for key in values if key not in by_key]:
            raise TypeError(f"There is no setting {unknown[0]!r}; there are {', '.join(by_key)}")
        changes: dict[str, dict[str, Any]] = {}
        for key, value in values.items():
            changes.setdefault(by_key[key].group, {})[by_key[key].field.name] = value
        return replace(self, **{group: replace(getattr(self, group), **change) for group, change in changes.items()})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the defaults, overridden by environment variables. Raises `SettingInvalid`.

        Spaces and containers set host and port in variables of Gradio, which are used if ours are missing.
        """
        given = os.environ if environment is None else environment
        texts = {key: given[variable] for key, variable in GRADIO_VARIABLES.items() if given.get(variable)}
        settings = {setting.key: setting for setting in all_settings()}
        variables = {key: PREFIX + key.upper() for key in settings}
        texts |= {key: given[variable] for key, variable in variables.items() if given.get(variable)}
        return cls.of(**{key: _parse(settings[key], text) for key, text in texts.items()})


_GROUPS: Final = {
    "model": ModelSettings,
    "engine": EngineSettings,
    "limits": LimitSettings,
    "server": ServerSettings,
}


def all_settings() -> Iterator[Setting]:
    """Yield every setting, group by group."""
    for group, settings_class in _GROUPS.items():
        for each in fields(settings_class):
            yield Setting(key=_key(each), group=group, field=each)


def is_token_count(detail: str) -> bool:
    """Return whether a detail is a number of visual tokens, 4 to 16,384.

    Fewer tokens show nothing, and no model was trained on more.
    """
    return TOKEN_COUNT.fullmatch(detail) is not None and MIN_TOKENS <= int(detail) <= MAX_TOKENS


def _check(setting: Field[Any], value: Any) -> None:
    """Raise `SettingInvalid` if the value is of another type, none of the choices, or out of range."""
    if not (_is_of_type(setting, value) and _is_in_range(setting, value)):
        shown = str(value) if setting.repr else "…"
        raise SettingInvalid(_key(setting), shown, _expected(setting))


def _is_in_range(setting: Field[Any], value: Any) -> bool:
    key = _key(setting)
    if key in CHOICES:
        return value in CHOICES[key]
    if key == "detail":
        return value in DETAILS or is_token_count(value)
    if key in FORMS:
        return FORMS[key].fullmatch(value) is not None
    if setting.type is int:
        return bool(setting.metadata["least"] <= value <= setting.metadata["most"])
    return key != "instruction" or value == "" or (len(value) <= MAX_INSTRUCTION and not is_blank(value))


def _is_of_type(setting: Field[Any], value: Any) -> bool:
    """Return whether a value has the type of its setting; a text must also be Unicode, on one line."""
    if setting.type in (int, bool):
        return type(value) is setting.type
    if setting.name == "galleries":
        return isinstance(value, tuple | list) and all(isinstance(folder, Path) for folder in value)
    if setting.name == "libraries":
        return isinstance(value, tuple) and all(isinstance(each, str) and _is_name(each) for each in value)
    return isinstance(value, str) and is_well_formed(value) and "\0" not in value


def _expected(setting: Field[Any]) -> str:
    """Return what the value of a setting must be."""
    key = _key(setting)
    if key in CHOICES:
        return " | ".join(CHOICES[key])
    if setting.type is bool:
        return "true | false"
    if setting.type is int:
        return f"a whole number from {setting.metadata['least']} to {setting.metadata['most']:,}"
    return EXPECTED.get(key, "a text in Unicode")


def _is_name(text: str) -> bool:
    """Return whether a text can be the name of a file."""
    return bool(text) and is_well_formed(text) and "\0" not in text


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no name can be so long, for example
        return False


def _parse(setting: Setting, text: str) -> Any:
    """Return the value that a text in the environment stands for. Raises `SettingInvalid`."""
    if setting.type is bool:
        if text.lower() not in SWITCHES:
            raise SettingInvalid(setting.key, text, _expected(setting.field))
        return SWITCHES[text.lower()]
    if setting.type is int:
        try:
            return int(text)
        except ValueError:
            raise SettingInvalid(setting.key, text, _expected(setting.field)) from None
    if setting.key == "galleries":
        return tuple(Path(folder) for folder in text.split(os.pathsep) if folder)
    if setting.key == "libraries":
        return tuple(each for each in text.split(os.pathsep) if each)
    return text
