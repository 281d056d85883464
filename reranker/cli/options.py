"""Options that several commands have, and the settings that come of them."""

from typing import Annotated, Any, Literal

import typer

from reranker.config.settings import Precision, Settings
from reranker.core.types import Scoring

Format = Literal["table", "json", "csv", "html", "zip"]

Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH",
        help="What judges: `toybox`, which comes with the program and knows drawings, not photographs; `lychee` "
        "(vec-ai/lychee-rerank-mm) or `lychee-3b`; `qwen2.5-vl-7b` or `-3b`; an id of the hub; or a folder with a "
        "Qwen2.5-VL checkpoint. `auto`: lychee where there is a CUDA card and its files are here, else the toybox. "
        "Without it: what RERANKER_MODEL says, else `auto`. Nothing is fetched: see `download`.",
    ),
]
Revision = Annotated[str | None, typer.Option(metavar="NAME", help="Of a model of the hub: a branch, tag or commit.")]
Detail = Annotated[
    str | None,
    typer.Option(
        metavar="low|usual|high|auto|N",
        help="How closely to look: as the model has it, or at N visual tokens a picture. `auto` looks at all pictures "
        "at the lowest detail, then at the best of them at the highest.",
    ),
]
ChosenScoring = Annotated[
    Scoring | None,
    typer.Option(
        "--scoring",
        help="`yes-no`, as rerankers are taught; `rating`: the model writes “Score: X.X”, for models that are not.",
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option(
        metavar="photo|product|document|remote-sensing|web|TEXT",
        help="For yes-no: what the pictures are searched for, or a sentence of your own; `photo` unless the model says "
        "otherwise.",
    ),
]
ChosenPrecision = Annotated[
    Precision | None, typer.Option("--precision", help="Of the weights; `auto`: what the device is good at.")
]
TopK = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Keep the N best; pictures that failed are listed all the same.")
]
ChosenFormat = Annotated[
    Format,
    typer.Option(
        "--format",
        help="`table` for reading, `json` for programs (every digit), `csv` for spreadsheets, `html` for a contact "
        "sheet that opens anywhere, `zip` for the pictures themselves, named in order.",
    ),
]


def chosen_settings(**given: str | None) -> Settings:
    """What the environment says, overruled by each option that was given. Raises `SettingInvalid`."""
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Settings.from_environment().override(**chosen)
