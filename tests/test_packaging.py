"""The program as an installed package: its files, its dependencies and extras, and completion in a shell."""

import ast
import json
import re
import sys
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from reranker import Reranker
from reranker.__main__ import run
from reranker.cli.extras import PACKAGES
from reranker.config.paths import ASSETS
from tests.support import installed
from tests.support.paths import GALLERY, ROOT
from tests.support.shell import ended

PACKAGING = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
QUERY = "a red boat at sea"
# The baseline of `benchmark`, which people install themselves if they want it.
BASELINE = {"sentence_transformers", "torchvision"}


# Files


def test_every_package_is_named() -> None:
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "reranker").rglob("__init__.py")}
    assets = {f"reranker.assets.{folder.name}" for folder in ASSETS.iterdir() if folder.is_dir()}
    assert set(PACKAGING["packages"]) == packages | assets


def test_every_file_that_is_no_module_is_named() -> None:
    others = [path for path in (ROOT / "reranker").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]
    named = {
        path
        for package, patterns in PACKAGING["package-data"].items()
        if "assets" not in package
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
        if path.is_file()
    }
    assert set(others) == named


# Dependencies and extras


def test_the_ranges_admit_the_versions_that_the_app_pins() -> None:
    files = "".join((ROOT / name).read_text() for name in ("requirements.txt", "requirements-cluster.txt"))
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", files, re.MULTILINE))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    for requirement in installed.requirements(*installed.EXTRAS):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement
        assert {each.operator for each in requirement.specifier} == {">=", "<"}, requirement


def test_the_command_line_knows_the_extras() -> None:
    core = installed.names()
    assert {extra: distributions_of(modules) for extra, modules in PACKAGES.items()} == {
        extra: installed.names(extra) - core for extra in installed.EXTRAS
    }


@pytest.mark.parametrize("package", sorted(path.parent.name for path in (ROOT / "reranker").glob("*/__init__.py")))
def test_a_package_imports_what_the_extras_of_its_docstring_install(package: str) -> None:
    extras = re.findall(r"extra `(\w+)`", import_module(f"reranker.{package}").__doc__ or "")
    imported = set().union(*(top_level_imports(path) for path in (ROOT / "reranker" / package).rglob("*.py")))
    others = imported - set(sys.stdlib_module_names) - {"reranker"} - (BASELINE if package == "benchmarks" else set())
    assert distributions_of(others) <= installed.names(*extras)


def top_level_imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {module.split(".")[0] for module in modules}


def distributions_of(modules: set[str] | tuple[str, ...]) -> set[str]:
    owners = packages_distributions()
    return {canonicalize_name(owner) for module in modules for owner in owners[module]}


@pytest.mark.extended
def test_the_core_alone_imports_everything_else_and_ranks() -> None:
    """Everything but the page, the metrics, the index and XMP; the server, too, which must not need Gradio."""
    code = f"""
import json, sys
from importlib import import_module
from pathlib import Path
for path in sorted(Path("reranker").rglob("*.py")):
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    others = "reranker.ui.", "reranker.evaluation.", "reranker.index.", "reranker.benchmarks.search"
    others += ("reranker.export.xmp",)
    if not module.startswith(others) and not module.endswith("__main__"):
        import_module(module)
import_module("reranker.evaluation.datasets.loading")
from reranker import Reranker
from reranker.__main__ import run
ranking = Reranker("toybox").rank({QUERY!r}, sorted(Path({str(GALLERY)!r}).glob("*.png")))
print(json.dumps([scored.candidate.name for scored in ranking.scored]))
"""
    assert json.loads(installed.run_code(code)) == ranked_names(Reranker("toybox"))


@pytest.mark.extended
def test_the_command_line_ranks_without_docstrings_and_assertions() -> None:
    """`-OO` removes both; transformers and typer make their documentation from docstrings."""
    pictures = sorted(GALLERY.glob("*.png"))
    command = ["rank", "--model", "toybox", "--format", "json", QUERY, *pictures]
    result = ended(installed.start(*command, options=["-OO"]))
    assert result.code == 0, result.err
    assert [Path(row["path"]).name for row in result.result["results"]] == ranked_names(Reranker("toybox"))


def ranked_names(reranker: Reranker) -> list[str]:
    ranking = reranker.rank(QUERY, sorted(GALLERY.glob("*.png")))
    return [scored.candidate.name for scored in ranking.scored]


@pytest.mark.extended
def test_the_options_of_serve_are_described_without_docstrings() -> None:
    result = ended(installed.start("serve", "--help", options=["-OO"]))
    assert result.code == 0, result.err
    assert "--frame-ancestors" in result.out
    assert "Port of the page" in result.out


@pytest.mark.extended
def test_the_page_needs_its_extra_alone_and_no_docstrings() -> None:
    code = """
from reranker import Reranker
from reranker.__main__ import run
from reranker.ui import gradio_environment
gradio_environment.prepare()
from reranker.ui.launch import launch_settings
from reranker.ui.page import build_page
from reranker.ui.services import PageServices
services = PageServices.of(Reranker("toybox"))
launch_settings(services)
print(sorted(build_page(services).get_api_info()["named_endpoints"]))
"""
    assert installed.run_code(code, extras=["ui"], options=["-OO"]) == "['/rank', '/rank_stream', '/tag']"


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["evaluate", "toybox"], "eval"),
        pytest.param(["tag", "assets/gallery", "--xmp"], "xmp", marks=pytest.mark.extended),
        pytest.param(["serve", "--mcp"], "mcp", marks=pytest.mark.extended),
        pytest.param(["serve", "--share", "--auth", "name:password"], "ui", marks=pytest.mark.extended),
    ],
)
def test_a_missing_extra_is_one_sentence_with_the_command_that_installs_it(command: list[str], extra: str) -> None:
    result = ended(installed.start(*command))
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.endswith(f"pip install 'picture-reranker[{extra}]'")


# Completion in a shell


@pytest.mark.parametrize(
    ("words", "completed"),
    [("reranker wa", "watch"), ("reranker rank --sc", "--scoring"), ("reranker serve --ap", "--api-key")],
)
def test_a_shell_completes_commands_and_options(
    words: str, completed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_RERANKER_COMPLETE": "complete_bash"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        run()
    assert capsys.readouterr().out.split() == [completed]
