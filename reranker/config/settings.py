"""All settings in one place, and the only reader of the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from reranker.core.errors import SettingInvalid
from reranker.core.types import Scoring

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8", "nf4"]
LEAST_TOKENS, MOST_TOKENS = 4, 16_384
DETAILS = ("low", "usual", "high", "auto")
PREFIX = "RERANKER_"
OF_GRADIO = {"host": "GRADIO_SERVER_NAME", "port": "GRADIO_SERVER_PORT"}
MOST_PORT = 65_535
MEGABYTE = 1_000_000
CHOICES: dict[str, tuple[str, ...]] = {
    "device": get_args(Device),
    "precision": get_args(Precision),
    "scoring": get_args(Scoring),
}
MAY_BE_ZERO = frozenset({"batch_tokens", "vision_memory_mb", "score_store_mb"})
HEADER_CHARACTERS = frozenset(chr(code) for code in range(0x20, 0x7F)) - set(";,")
SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a person may choose; each is read from RERANKER_ and its name in capitals.

    model: "toybox"; "lychee", "lychee-3b", "qwen2.5-vl-7b" or "qwen2.5-vl-3b"; an id of the hub; or a folder with a
        checkpoint. "auto" is lychee where there is a CUDA card and its files are on this machine, else the toybox.
    revision: of a model of the hub, a branch, tag or commit; its main branch where empty.
    device: where the model runs: "cpu" or "cuda"; "auto" is the card where there is one.
    precision: of the weights; int8 and nf4 keep the layers of the language tower in 8 and 4 bits. "auto" is what the
        device is good at, and on a card what fits.
    scoring: "yes-no", as rerankers are taught; or "rating", the model's own words, for those that are not.
    instruction: for yes-no, what the pictures are searched for: "photo", "product", "document", "remote-sensing", "web"
        or a sentence of one's own; where empty what the checkpoint says it was taught with, else "photo".
    detail: how closely pictures are looked at: "low", "usual" or "high" as the checkpoint has it, a number of visual
        tokens, or "auto": all at the lowest, then the best of them at the highest.
    batch_tokens: visual tokens judged in one turn on the device at most; 0 goes by its memory.
    reader_threads: threads that read pictures ahead of the device.
    vision_memory_mb: host memory for what was seen already.
    score_store_mb: of the file of scores already known, in the user's cache folder; 0 keeps none.
    max_picture_mb: of one picture, in megabytes of 1,000,000 bytes.
    max_picture_mpx: of one picture, in megapixels.
    max_aspect_ratio: of one picture, its longer side over its shorter one.
    max_pictures: of one upload or call.
    max_query_length: characters of a sentence, and of a text beside a picture.
    max_waiting: people in the queue of the page, and callers of the HTTP door at once.
    max_request_mb: of one call of the HTTP door.
    galleries: folders of this machine whose pictures the page offers; nothing in them is ever changed.
    host: the address that the page is served at; the default is for this machine alone.
    port: of the page and the HTTP door.
    share: a public address by gradio's tunnel; wants `auth`, unless `share_openly`.
    share_openly: share with whoever has the address.
    root_path: the path of the page behind a proxy.
    auth: who may open the page, "name:password"; anybody where empty.
    api_key: what callers of the HTTP door send as "Authorization: Bearer"; where empty nothing is asked for, unless
        `auth` is set: then that door is closed.
    frame_ancestors: whose pages may show this one in a frame, as the header Content-Security-Policy has it.
    mcp: offer the page's functions to programs as tools over MCP; not together with `auth`.
    """

    model: str = "auto"
    revision: str = ""
    device: Device = "auto"
    precision: Precision = "auto"
    scoring: Scoring = "yes-no"
    instruction: str = ""
    detail: str = "usual"
    batch_tokens: int = 0
    reader_threads: int = 2
    vision_memory_mb: int = 1024
    score_store_mb: int = 100
    max_picture_mb: int = 50
    max_picture_mpx: int = 100
    max_aspect_ratio: int = 200
    max_pictures: int = 1000
    max_query_length: int = 1000
    max_waiting: int = 20
    max_request_mb: int = 200
    galleries: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 7860
    share: bool = False
    share_openly: bool = False
    root_path: str = ""
    auth: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    frame_ancestors: str = "'self' https://huggingface.co"
    mcp: bool = False

    def __post_init__(self) -> None:
        """Raises `SettingInvalid`."""
        for name, options in CHOICES.items():
            if getattr(self, name) not in options:
                raise SettingInvalid(name, str(getattr(self, name)), " | ".join(options))
        if self.detail not in DETAILS and not is_visual_tokens(self.detail):
            raise SettingInvalid("detail", self.detail, f"{' | '.join(DETAILS)} | a number of visual tokens")
        for each in fields(self):
            value = getattr(self, each.name)
            least = 0 if each.name in MAY_BE_ZERO else 1
            if each.type is int and value < least:
                raise SettingInvalid(each.name, str(value), f"a whole number from {least} up")
        self._check_doors()

    def _check_doors(self) -> None:
        """Raises `SettingInvalid`; what is secret is not in it."""
        name, colon, password = self.auth.partition(":")
        if self.auth and not (name and colon and password):
            raise SettingInvalid("auth", "…", "name:password")
        if self.share and not (self.auth or self.share_openly):
            raise SettingInvalid("share", "true", "used with auth=name:password, or with share_openly=true")
        if self.mcp and self.auth:
            raise SettingInvalid("mcp", "true", "used without auth, as MCP clients cannot log in")
        if self.port > MOST_PORT:
            raise SettingInvalid("port", str(self.port), f"a whole number from 1 to {MOST_PORT:,}")
        if not set(self.frame_ancestors) <= HEADER_CHARACTERS:
            raise SettingInvalid("frame_ancestors", self.frame_ancestors, "origins, with spaces between them")
        for folder in self.galleries:
            if not folder.is_dir():
                raise SettingInvalid("galleries", folder.name, "folders of this machine")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """The defaults, overruled by the environment; raises `SettingInvalid`.

        Spaces and containers say host and port in variables of Gradio's own, which hold where ours are not there.
        """
        given = os.environ if environment is None else environment
        names = {each.name: each.type for each in fields(cls)}
        texts = {name: given[variable] for name, variable in OF_GRADIO.items() if given.get(variable)}
        texts |= {name: given[PREFIX + name.upper()] for name in names if given.get(PREFIX + name.upper())}
        return cls(**{name: _parsed(name, names[name], text) for name, text in texts.items()})


def is_visual_tokens(detail: str) -> bool:
    """Whether a detail is a number of visual tokens, 4 to 16,384: fewer show nothing, more no model was trained on."""
    return detail.isascii() and detail.isdigit() and LEAST_TOKENS <= int(detail) <= MOST_TOKENS


def _parsed(name: str, kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in SWITCHES:
            raise SettingInvalid(name, text, "true | false")
        return SWITCHES[text.lower()]
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise SettingInvalid(name, text, "a whole number") from None
    if name == "galleries":
        return tuple(Path(folder) for folder in text.split(os.pathsep) if folder)
    return text
