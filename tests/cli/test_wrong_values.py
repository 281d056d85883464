"""Values of options and arguments that cannot be used: each is told in one sentence, before anything is computed."""

import json
from itertools import product
from pathlib import Path

import pytest

from reranker.cli.console import FAILED, USAGE_ERROR
from tests.support.shell import Shell, write

LONG = "x" * 300  # no file can have such a name
NOBODY = "~nobody-of-this-name/x"
RESULT = {
    "query": "a dog",
    "fingerprint": "f",
    "judged_by": {
        **{"model": "toybox", "revision": "", "precision": "auto"},
        **{"scoring": "yes-no", "instruction": "", "detail": "usual"},
    },
    "results": [{"path": "a.png", "rank": 1, "log_odds": 1.0, "text": None}],
}
WRONG = [
    *(["rank", "a dog", "a.png", option, LONG] for option in ("--output", "--copy-top", "--text")),
    *(["rank", "a dog", "a.png", "--detail", detail] for detail in ("3", "16385", "9" * 5000, "closest", "-1")),
    *(["rank", "a dog", "a.png", "--precision", precision] for precision in ("fp8", "", "FP32 ")),
    *(["rank", "a dog", "a.png", "--revision", revision] for revision in ("../..", "/etc/passwd", "a b")),
    *(["rank", "a dog", "a.png", "--instruction", text] for text in ("x" * 1001, "\udcff")),
    *(["rank", "a dog", "a.png", "--threshold", number] for number in ("nan", "11", "high")),
    *(["rank", "a dog", "a.png", "--top-k", number] for number in ("0", "1.5")),
    *(["rank", "--queries", path, "a.png"] for path in (LONG, ".", NOBODY)),
    *(["rank", query, "a.png"] for query in ("\udcff", " ", "x" * 1001)),
    *(["watch", folder, "a dog"] for folder in (LONG, "a.png", NOBODY)),
    *(["verify", path] for path in (LONG, ".", "a.png", NOBODY)),
    *(["label", folder] for folder in (LONG, "a.png", NOBODY, ".")),
    *(["evaluate", dataset] for dataset in (LONG, "a.png", NOBODY, "toybox:0", "toybox:-1", "toybox:1:1")),
    *(["evaluate", "toybox:2:2", "--detail", detail] for detail in ("3", "9" * 5000, "auto")),
    *([command, "--output", path] for command, path in product(("benchmark", "memory", "parity"), (LONG, "."))),
    *([command, "--device", "cuda:7"] for command in ("benchmark", "memory", "parity", "doctor")),
    *(["doctor", "--json", path] for path in (LONG, "no such folder/x")),
    *(["parity", model] for model in (LONG, NOBODY)),
    *(["parity", "--golden", path] for path in (LONG, ".", "a.png")),
    *(
        ["memory", "--geometry", shape]
        for shape in (LONG, "0x128", "1x100", "999999999x128", "1x128000000", "9" * 5000)
    ),
    *(["download", model] for model in (LONG, NOBODY, "toybox", "a/b/c")),
    *(["download", "a/b", "--revision", revision] for revision in ("../x", "/")),
    *(["serve", option, value] for option in ("--host", "--root-path", "--revision") for value in (" ", "two words")),
    *(["serve", "--max-pictures", number] for number in ("0", "9" * 30, "many")),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments)[:60].encode("ascii", "replace"))
def test_a_wrong_value_is_told_in_one_sentence(shell: Shell, arguments: list[str]) -> None:
    write(a=1)
    done = shell(*arguments)
    assert (done.code, done.out, len(done.said)) == (USAGE_ERROR, "", 1)
    assert "unexpected" not in done.said[0]
    assert "Error" not in done.said[0].replace("Value error", "")


@pytest.mark.parametrize("host", ["..", "", "猫..x", LONG])
def test_an_address_that_cannot_be_used_is_told(shell: Shell, host: str) -> None:
    write(a=1, b=2)
    done = shell("label", ".", "--host", host)
    assert (done.code, done.out, len(done.said)) == (FAILED, "", 1)
    assert "could not be opened" in done.said[0]


@pytest.mark.parametrize(
    "change",
    [
        *({"query": query} for query in (3, None, ["a"])),
        *({"judged_by": {**RESULT["judged_by"], key: 5}} for key in RESULT["judged_by"]),
        *({"results": [{**RESULT["results"][0], key: [1]}]} for key in ("path", "rank", "log_odds", "text")),
        *({"results": rows} for rows in (None, 3, [3], [[]])),
    ],
    ids=str,
)
def test_a_saved_result_with_a_wrong_field_is_told(shell: Shell, change: dict[str, object]) -> None:
    write(a=1)
    Path("result.json").write_text(json.dumps(RESULT | change), encoding="utf-8")
    done = shell("verify", "result.json")
    assert (done.code, done.out, len(done.said)) == (USAGE_ERROR, "", 1)
    assert "unexpected" not in done.said[0]
