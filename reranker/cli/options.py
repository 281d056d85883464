"""Options that several commands have, and the settings that they change."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from reranker.cli.console import argument_text
from reranker.config.settings import Device, Precision, Settings
from reranker.core.types import EncoderBackend, Scoring

Format = Literal["table", "json", "csv", "html", "zip"]

ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH",
        help="Model that scores the pictures: `toybox`, the small built-in model, which knows drawings, not "
        "photographs; `lychee` (vec-ai/lychee-rerank-mm) or `lychee-3b`; `qwen3-vl-reranker-2b` or `-8b`; the instruct "
        "models `qwen2.5-vl-7b`, `-3b`, `qwen3-vl-2b`, `-4b`, `-8b`; an id of the Hugging Face hub; or a folder with a "
        "checkpoint of Qwen2.5-VL or Qwen3-VL. `auto` is the best one on this machine for its CUDA GPU (from 16 GB "
        "lychee first, below the 2B), else the toybox. Default: RERANKER_MODEL, else `auto`. Nothing is downloaded "
        "automatically; see the command `download`.",
    ),
]
RevisionOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Branch, tag or commit of a model of the hub. Default: its main branch."),
]
DetailOption = Annotated[
    str | None,
    typer.Option(
        metavar="low|usual|high|auto|N",
        help="Resolution at which pictures are encoded: as the checkpoint defines it, or N visual tokens a picture. "
        "`auto` scores all pictures at `low`, then the best of them again at `high`. Default: `usual`.",
    ),
]
ScoringOption = Annotated[
    Scoring | None,
    typer.Option(
        "--scoring",
        help="How a score is read off the model: `yes-no`, as rerankers are trained; or `rating`, the mean of "
        "the ratings that the model may answer, for models that are not rerankers. Default: `yes-no`.",
    ),
]
InstructionOption = Annotated[
    str | None,
    typer.Option(
        metavar="photo|product|document|remote-sensing|web|TEXT",
        help="For yes-no scoring: what the pictures are searched for, or a sentence of your own. Default: the "
        "instruction that the checkpoint names, else `web`.",
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        help="Number format of the weights. Default: `auto`, the best that the device computes fast and that fits its "
        "memory.",
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="Where the model runs; auto: the first GPU if there is one.")]
TopKOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Number of best pictures in the result; pictures that failed are always listed. Default: all pictures.",
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        help="`table` for reading, `json` for programs (every digit), `csv` for spreadsheets, `html` for a contact "
        "sheet in one file, `zip` for the pictures themselves, named in order.",
    ),
]
NotOption = Annotated[
    str,
    typer.Option(
        "--not",
        metavar="TEXT",
        help="What must not be in the pictures. It is scored as the query is, and the probability of a picture is "
        "p(query) × (1 − p(TEXT)).",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the result into this file instead of to stdout; whole or not at all."),
]
RecallOption = Annotated[
    int, typer.Option(min=1, metavar="K", help="Pictures that the first stage recalls, and the second one ranks.")
]
LibraryOption = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the library, or a folder for it; several can exist.")
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Dual encoder: `toybox-encoder` (drawings only), `siglip2`, `siglip2-so400m`, `chinese-clip`, "
        "`git-rsclip`, an id of the hub, or a folder. Default: that of the library, or else `toybox-encoder`.",
    ),
]
BackendOption = Annotated[
    EncoderBackend | None,
    typer.Option(
        help="What computes vectors. auto: the faster of torch and ONNX Runtime, which is exported and measured at "
        "the first call. Default: torch, or int8 for a library that was made with it.",
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Labels to look for: `general`, 3,900 everyday ones in English and Chinese; `aerial`; `toybox`, what the "
        "toybox knows; or a text file with one a line, a CSV file with the columns en, zh, synonyms, group and parent, "
        "or JSON Lines with these fields. Default: `toybox` beside the toybox, else `general`.",
    ),
]
GroupsOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Only labels of this group; may be repeated.")
]
TaggingEncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="Dual encoder that proposes labels, as for `index`. `auto`: the toybox's beside the toybox, else the best "
        "one on this machine.",
    ),
]
ProposedOption = Annotated[
    int,
    typer.Option(
        "--candidates",
        min=0,
        metavar="N",
        help="Labels of a picture that the dual encoder proposes, and the reranker judges; 0: it judges all.",
    ),
]
RerankLabelsOption = Annotated[
    bool,
    typer.Option("--rerank/--no-rerank", help="Let the reranker judge, or take the dual encoder's own confidences."),
]
FiguresOption = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Also write all figures into this file.")]


def settings_of(**options: str | None) -> Settings:
    """Return the settings of the environment, overridden by the options that were given. Raises `SettingInvalid`."""
    given: dict[str, Any] = {key: argument_text(value) for key, value in options.items() if value is not None}
    return Settings.from_environment().override(**given)
