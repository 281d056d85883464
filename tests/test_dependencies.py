"""The house stands: rooms import from below, nothing happens at import, names say what is inside."""

import ast
import inspect
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import reranker

ROOT = Path(__file__).resolve().parents[1]

# A room is a module, or a package with all that is in it. "reranker" is the package's own front door alone.
FLOORS = {
    "reranker.types": 0,
    "reranker.errors": 0,
    "reranker.version": 0,
    "reranker.program_files": 0,
    "reranker.settings": 1,
    "reranker.images": 1,
    "reranker.scores": 1,
    "reranker.picture_files": 1,
    "reranker.query_parts": 1,
    "reranker.sentences": 1,
    "reranker.export": 1,
    "reranker.archive": 1,
    "reranker.contact_sheet": 1,
    "reranker.embedded_thumbnails": 1,
    "reranker.score_store": 1,
    "reranker.calibrations": 1,
    "reranker.whole_files": 1,
    "reranker.datasets": 2,
    "reranker.model": 2,
    "reranker.look_ahead": 3,
    "reranker.closer_look": 3,
    "reranker.explaining": 3,
    "reranker.judging": 3,
    "reranker.ranking": 3,
    "reranker.turns": 3,
    "reranker.reranker": 4,
    "reranker": 4,
    "reranker.evaluation": 5,
    "reranker.measure": 5,
    "reranker.web": 6,
    "reranker.commands": 7,
    "reranker.cli": 7,
    "reranker.__main__": 7,
    "app": 7,
}

# Beside the floors: the drawn world needs only the vocabulary. Its teaching uses the very layouts and patches that are
# judged with, so it may reach into all rooms up to `Reranker`; only the command line may build on it, and on its world
# the labelled sets drawn in it.
TOYBOX = "reranker.toybox"
TOYBOX_GROUND = {
    TOYBOX,
    *(f"{TOYBOX}.{name}" for name in ("scenes", "drawing", "matching", "captions", "exercises", "targets")),
}
DRAWN_SETS = "reranker.evaluation.datasets.toybox"
HIGHEST_FOR_TOYBOX = FLOORS["reranker"]
TOP = FLOORS["reranker.cli"]

SAYS_NOTHING = {"base", "common", "helper", "helpers", "misc", "shared", "util", "utils"}
READS_THE_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
PACKAGES = {
    "PIL": "pillow",
    "huggingface_hub": "huggingface-hub",
    "ir_measures": "ir-measures",
    "pillow_heif": "pillow-heif",
}  # where the import's name is another
BY_CHOICE = {
    "reranker.benchmarks.sentence_transformers_baseline": {"sentence_transformers", "torchvision"}
}  # only if somebody installs them


def modules() -> dict[str, Path]:
    """Every module of the program by its dotted name."""
    paths = [*(ROOT / "reranker").rglob("*.py"), *ROOT.glob("app.py")]
    return {dotted(path.relative_to(ROOT)): path for path in paths}


def dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = modules()


def imports(source: str) -> set[str]:
    """Modules that a source imports, at its head or anywhere else; of our own, those that names come from."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write where it comes from"
            whole = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in MODULES else str(node.module) for name in whole}
    return found


def ours(source: str) -> set[str]:
    return {name for name in imports(source) if name.split(".")[0] in {"reranker", "app"}}


def room(module: str) -> str:
    """The room that a module is in, or belongs to by its package; itself where it has none."""
    if module in FLOORS:
        return module
    parents = (name for name in FLOORS if name != "reranker" and module.startswith(f"{name}."))
    return next(parents, module)


def may_import(module: str, other: str) -> bool:
    if room(module) == room(other):
        return True
    if in_toybox(other):
        drawn = module == DRAWN_SETS and other in TOYBOX_GROUND
        return drawn or builds_on_toybox(module) or {module, other} <= TOYBOX_GROUND
    if module in TOYBOX_GROUND:
        return FLOORS[room(other)] == 0
    highest = HIGHEST_FOR_TOYBOX if in_toybox(module) else FLOORS[room(module)]
    return FLOORS[room(other)] <= highest


def in_toybox(module: str) -> bool:
    return module == TOYBOX or module.startswith(f"{TOYBOX}.")


def builds_on_toybox(module: str) -> bool:
    if in_toybox(module):
        return module not in TOYBOX_GROUND
    return FLOORS[room(module)] == TOP


def environment_uses(source: str) -> list[str]:
    """Each reach for the environment of the process, as the shortest expression that shows which variable is meant."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    uses = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READS_THE_ENVIRONMENT:
            parent = parents[node]
            uses.append(ast.unparse(parents[parent] if isinstance(parent, ast.Attribute) else parent))
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            uses += [name.name for name in node.names if name.name in READS_THE_ENVIRONMENT]
    return uses


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


# Floors


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_in_a_room_that_the_plan_names(module: str) -> None:
    assert room(module) in FLOORS or module == TOYBOX or module.startswith(f"{TOYBOX}.")


@pytest.mark.parametrize("module", MODULES)
def test_no_import_runs_upwards(module: str) -> None:
    source = MODULES[module].read_text(encoding="utf-8")
    assert [other for other in sorted(ours(source)) if not may_import(module, other)] == []


def test_no_imports_run_in_a_circle() -> None:
    graph = {module: ours(path.read_text(encoding="utf-8")) - {module} for module, path in MODULES.items()}
    assert set(TopologicalSorter(graph).static_order()) >= set(MODULES)


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("reranker.types", "reranker.settings"),
        ("reranker.types", "reranker.toybox.scenes"),
        ("reranker.images", "reranker.ranking"),
        ("reranker.models.qwen2_5_vl.vision", "reranker.reranker"),
        ("reranker.ranking", "reranker"),
        ("reranker.reranker", "reranker.ui.page"),
        ("reranker.ui.page", "reranker.cli"),
        ("reranker.ui.page", "reranker.toybox.scenes"),
        ("reranker.reranker", "reranker.toybox.teaching"),
        ("reranker.toybox.scenes", "reranker.images"),
        ("reranker.toybox.captions", "reranker.toybox.tokenizer"),
        ("reranker.toybox.teaching", "reranker.cli"),
        ("reranker.toybox.teaching", "reranker.ui.page"),
    ],
)
def test_the_rule_knows_what_is_upwards(module: str, other: str) -> None:
    assert not may_import(module, other)


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("reranker.errors", "reranker.types"),
        ("reranker.models.qwen2_5_vl.vision", "reranker.models.patchify"),
        ("reranker.reranker", "reranker.models.qwen2_5_vl.vision"),
        ("reranker.cli", "reranker"),
        ("reranker.__main__", "reranker.cli"),
        ("reranker.cli", "reranker.toybox.teaching"),
        ("app", "reranker.ui.page"),
        ("reranker.toybox.captions", "reranker.toybox.scenes"),
        ("reranker.toybox.scenes", "reranker.types"),
        ("reranker.toybox.teaching", "reranker.models.patchify"),
        ("reranker.toybox.teaching", "reranker.toybox.scenes"),
    ],
)
def test_the_rule_knows_what_is_allowed(module: str, other: str) -> None:
    assert may_import(module, other)


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import torch.nn\nfrom reranker import ranking, Reranker\ndef late():\n    from reranker.types import Query\n"
    )
    assert imports(source) == {"torch.nn", "reranker.ranking", "reranker", "reranker.types"}


# What is where


@pytest.mark.parametrize("path", [*MODULES.values(), *(ROOT / "tests").glob("*.py")], ids=lambda path: path.name)
def test_names_say_what_is_inside(path: Path) -> None:
    words = {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")}
    assert not words & SAYS_NOTHING


def test_only_the_settings_read_the_environment() -> None:
    sources = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    users = {name for name, source in sources.items() if environment_uses(source)}
    assert users == {"reranker.settings", "reranker.ui.gradio_environment"}


def test_the_page_touches_no_variables_but_those_of_gradio() -> None:
    uses = environment_uses(MODULES["reranker.ui.gradio_environment"].read_text(encoding="utf-8"))
    assert [use for use in uses if not re.match(r"[^']*'GRADIO_\w+'", use)] == []


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("os.environ['A'] = '1'", "os.environ['A']"),
        ("os.environ.setdefault('A', '1')", "os.environ.setdefault('A', '1')"),
        ("a = 'A' in os.environ", "'A' in os.environ"),
        ("a = os.environ.get('A')", "os.environ.get('A')"),
        ("a = dict(os.environ)", "dict(os.environ)"),
        ("a = os.getenv('A')", "os.getenv('A')"),
        ("from os import environ", "environ"),
    ],
)
def test_reaching_for_the_environment_is_noticed(source: str, use: str) -> None:
    assert environment_uses(source) == [use]


@pytest.mark.parametrize("heavy", ["torch", "gradio"])
def test_what_is_heavy_has_its_rooms(heavy: str) -> None:
    rooms = {"torch": ("reranker.model", "reranker.measure", TOYBOX), "gradio": ("reranker.web", "app")}[heavy]
    sources = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    users = [name for name, source in sources.items() if heavy in {each.split(".")[0] for each in imports(source)}]
    assert [name for name in users if not name.startswith(rooms)] == []


def test_every_package_that_is_imported_is_pinned() -> None:
    names = {
        name.split(".")[0]
        for module, path in MODULES.items()
        for name in imports(path.read_text(encoding="utf-8"))
        if name.split(".")[0] not in BY_CHOICE.get(module, set())
    }
    outside = names - set(sys.stdlib_module_names) - {"reranker", "app"}
    pinned = re.findall(r"^([\w.-]+)==[\w.]+$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert {PACKAGES.get(name, name) for name in outside} <= set(pinned)


# At import


@pytest.mark.parametrize("module", ["reranker", "reranker.cli", "reranker.__main__"])
def test_importing_loads_neither_torch_nor_gradio(module: str) -> None:
    code = f"import {module}, sys; print(sorted({{'torch', 'gradio', 'transformers'}} & set(sys.modules)))"
    assert run(code) == "[]"


def test_importing_decides_nothing() -> None:
    code = (
        "import logging, os, signal, sys, warnings\n"
        "def state():\n"
        "    return (logging.root.handlers, dict(os.environ), signal.getsignal(signal.SIGINT), sys.excepthook)\n"
        "before = state()\n"
        "import reranker.cli, reranker.__main__\n"
        "print(state() == before)\n"
    )
    assert run(code) == "True"


def test_the_exported_names_are_what_they_say() -> None:
    public = {name for name, value in vars(reranker).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert set(reranker.__all__) == public | {"__version__"}
    assert reranker.__all__ == sorted(reranker.__all__)
    assert [name for name in public if getattr(reranker, name).__name__ != name] == []


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(reranker.__version__)}\]?", changelog, re.MULTILINE)
