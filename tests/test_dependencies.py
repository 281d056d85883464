"""Which package may import which, what importing the program does, and where heavy libraries are allowed."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import reranker
from tests.support.paths import ROOT

# A package, or a module that stands alone, imports only from itself and from those above it.
# CONTRIBUTING.md has the same list with a line about each.
LAYERS = (
    "version",
    "core",
    "config",
    "i18n",
    "images",
    "storage",
    "vocabulary",
    "models",
    "engine",
    "cluster",
    "index",
    "pipelines",
    "export",
    "api",
    "tagger",
    "library",
    "toybox",
    "evaluation",
    "benchmarks",
    "server",
    "labelling",
    "ui",
    "cli",
)
PUBLIC_NAMES = "reranker"  # the package's __init__: re-exports the Python interface, so only entry points import it
ENTRY_POINTS = {PUBLIC_NAMES, "reranker.__main__", "app"}

# The drawn world of the toybox is plain Python on the core; only its training needs models.
DRAWN_WORLD = {
    f"reranker.toybox.{name}" for name in ("scenes", "drawing", "matching", "captions", "examples", "targets")
}

# Inside these two packages the order is finer: a module imports only from its own line and from those above it.
INNER_LAYERS = {
    "models": (
        ("context", "patchify", "picture_preprocessing", "layers", "hub", "scoring.prompts"),
        ("architecture", "device_map", "download", "model_files"),
        ("decoder",),
        ("qwen2_5_vl.positions", "qwen2_5_vl.vision", "qwen2_5_vl.model"),
        ("qwen3_vl.positions", "qwen3_vl.vision", "qwen3_vl.model"),
        ("registry", "memory_plan", "occlusion", "scoring.method"),
        ("checkpoint",),
        ("loading",),
        ("dual_encoders.family",),
        ("dual_encoders.siglip", "dual_encoders.chinese_clip"),
        ("dual_encoders.files", "dual_encoders.towers", "dual_encoders.onnx_runtime"),
        ("dual_encoders.agreement", "dual_encoders.onnx_export"),
        ("dual_encoders.onnx_towers",),
        ("dual_encoders.onnx_cache", "dual_encoders.backend_choice"),
        ("dual_encoders.encoder",),
        ("scoring.prompt_cache",),
        ("scoring.yes_no", "scoring.rating"),
        ("scoring.registry",),
    ),
    "engine": (
        ("metrics",),
        ("device_queue", "torch_thread", "process_memory", "device_errors", "host_memory", "results"),
        ("memory_budget", "feature_cache", "preparation"),
        ("executor", "prefetch"),
        ("batching",),
        ("pair_batches", "scoring_run"),
        ("cross_encoder",),
    ),
}
# What schedules batches knows neither torch nor models, so that it can be tested and run without them.
WITHOUT_MODELS = {
    f"reranker.engine.{name}"
    for name in (
        "device_queue",
        "torch_thread",
        "results",
        "executor",
        "prefetch",
        "batching",
        "pair_batches",
        "scoring_run",
    )
}

# Where else a heavy library is imported, the program starts slowly.
HOMES = {
    "torch": ("reranker.models", "reranker.engine", "reranker.cluster", "reranker.benchmarks", "reranker.toybox"),
    "ray": ("reranker.cluster",),
    "transformers": ("reranker.models", "reranker.benchmarks", "reranker.toybox", "reranker.cli.console"),
    "gradio": ("reranker.ui", "app"),
    "onnxruntime": ("reranker.models.dual_encoders.onnx_",),
}

VAGUE_NAMES = {"base", "common", "helper", "helpers", "misc", "shared", "util", "utils"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
DISTRIBUTIONS = {
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "huggingface_hub": "huggingface-hub",
    "ir_measures": "ir-measures",
    "pillow_heif": "pillow-heif",
    "python_multipart": "python-multipart",
}  # only those that are named differently from what is imported
OPTIONAL = {"reranker.benchmarks.sentence_transformers_baseline": {"sentence_transformers", "torchvision"}}

Graph = dict[str, set[str]]


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def syntax_trees() -> dict[str, ast.Module]:
    """Every module of the program by its dotted name, parsed once."""
    paths = [*(ROOT / "reranker").rglob("*.py"), ROOT / "app.py"]
    return {module_name(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def imports(tree: ast.Module, modules: set[str]) -> set[str]:
    """The modules that are imported at the top of a file or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in modules else str(node.module) for name in names}
    return found


@cache
def import_graph() -> Graph:
    trees = syntax_trees()
    return {module: imports(tree, set(trees)) for module, tree in trees.items()}


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in {"reranker", "app"}


def layer(module: str) -> str:
    """The package of a module, or the module itself if it stands alone in `reranker`."""
    return module.split(".")[1]


def has_code(module: str) -> bool:
    """Whether a module lies inside a package and is more than a docstring."""
    return module.count(".") > 1 and (module not in syntax_trees() or bool(syntax_trees()[module].body[1:]))


def inner_rank(module: str) -> int:
    """The line of a module in `INNER_LAYERS`. Raises `ValueError` if it is in none."""
    _, package, name = module.split(".", 2)
    lines = [
        number
        for number, entries in enumerate(INNER_LAYERS[package])
        if any(f"{name}.".startswith(f"{entry}.") for entry in entries)
    ]
    if not lines:
        raise ValueError(f"{module} is in no line of INNER_LAYERS")
    return lines[0]


def may_import(module: str, other: str) -> bool:
    if module in ENTRY_POINTS:
        return True
    if other in ENTRY_POINTS:
        return False
    if module in DRAWN_WORLD:
        return other in DRAWN_WORLD or layer(other) == "core"
    if layer(module) in INNER_LAYERS and layer(other) == layer(module) and has_code(module) and has_code(other):
        return inner_rank(other) <= inner_rank(module)
    return LAYERS.index(layer(other)) <= LAYERS.index(layer(module))


def upward_imports(graph: Graph) -> list[tuple[str, str]]:
    return sorted(
        (module, other)
        for module, others in graph.items()
        for other in others
        if is_ours(other) and not may_import(module, other)
    )


def environment_uses(tree: ast.Module) -> Iterator[str]:
    """Each use of the environment of the process, as the shortest expression that shows which variable is meant."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT:
            parent = parents[node]
            yield ast.unparse(parents[parent] if isinstance(parent, ast.Attribute) else parent)
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (name.name for name in node.names if name.name in ENVIRONMENT)


# Layers


def test_every_module_is_in_a_listed_package() -> None:
    unlisted = {module for module in import_graph() if module not in ENTRY_POINTS and layer(module) not in LAYERS}
    assert unlisted == set()


def test_no_import_runs_upwards() -> None:
    assert upward_imports(import_graph()) == []


def test_scheduling_knows_neither_torch_nor_models() -> None:
    found = {
        (module, other)
        for module in WITHOUT_MODELS
        for other in import_graph()[module]
        if other.startswith(("torch", "transformers", "reranker.models", "reranker.images"))
    }
    assert found == set()


def test_no_imports_run_in_a_circle() -> None:
    graph = {module: set(filter(is_ours, others)) - {module} for module, others in import_graph().items()}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


def test_upward_imports_are_found_wherever_they_stand() -> None:
    modules = {"reranker.core.types", "reranker.api", "reranker.ui.page", "reranker.toybox.scenes"}
    source = (
        "import torch.nn\nfrom reranker import api, Reranker\ndef late():\n    from reranker.core.types import Query\n"
    )
    assert imports(ast.parse(source), modules) == {"torch.nn", "reranker.api", "reranker", "reranker.core.types"}
    graph = {
        "reranker.api": {"reranker.core.types", "reranker.ui.page", "reranker", "torch"},
        "reranker.toybox.scenes": {"reranker.models.hub", "reranker.core.types", "reranker.toybox.drawing"},
        "reranker.toybox.lessons": {"reranker.models.hub"},
        "reranker.models.scoring.prompts": {"reranker.models.layers.rotary", "reranker.models.loading"},
        "app": {"reranker", "reranker.ui.page"},
    }
    assert upward_imports(graph) == [
        ("reranker.api", "reranker"),
        ("reranker.api", "reranker.ui.page"),
        ("reranker.models.scoring.prompts", "reranker.models.loading"),
        ("reranker.toybox.scenes", "reranker.models.hub"),
    ]


def test_contributing_lists_the_same_packages() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(LAYERS)


# What is where


def test_file_names_say_what_is_inside() -> None:
    paths = [*(ROOT / "reranker").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    vague = [
        path
        for path in paths
        if {word for part in path.relative_to(ROOT).with_suffix("").parts for word in part.split("_")} & VAGUE_NAMES
    ]
    assert vague == []


def test_only_the_configuration_reads_the_environment() -> None:
    uses = {module: list(environment_uses(tree)) for module, tree in syntax_trees().items()}
    readers = {module for module, found in uses.items() if found and not module.startswith("reranker.config.")}
    assert readers == {"reranker.ui.gradio_environment"}
    assert [
        use
        for use in uses["reranker.ui.gradio_environment"]
        if not re.match(r"[^']*'(GRADIO_\w+|no_proxy|NO_PROXY)'", use)
    ] == []


def test_uses_of_the_environment_are_found() -> None:
    uses = {
        "os.environ['A'] = '1'": "os.environ['A']",
        "os.environ.setdefault('A', '1')": "os.environ.setdefault('A', '1')",
        "a = 'A' in os.environ": "'A' in os.environ",
        "a = os.environ.get('A')": "os.environ.get('A')",
        "a = dict(os.environ)": "dict(os.environ)",
        "a = os.getenv('A')": "os.getenv('A')",
        "from os import environ": "environ",
    }
    assert {source: list(environment_uses(ast.parse(source))) for source in uses} == {
        source: [use] for source, use in uses.items()
    }


def test_heavy_libraries_are_imported_only_in_their_homes() -> None:
    users = {
        (library, module)
        for library, homes in HOMES.items()
        for module, others in import_graph().items()
        if library in {other.split(".")[0] for other in others} and not module.startswith(homes)
    }
    assert users == set()


def test_the_core_needs_nothing_but_python() -> None:
    core = {module: others for module, others in import_graph().items() if module.startswith("reranker.core")}
    names = {other.split(".")[0] for others in core.values() for other in others}
    assert names <= set(sys.stdlib_module_names) | {"reranker"}


def test_every_library_that_is_imported_is_pinned() -> None:
    names = {
        name
        for module, others in import_graph().items()
        for name in {other.split(".")[0] for other in others} - OPTIONAL.get(module, set())
    }
    outside = {name for name in names - set(sys.stdlib_module_names) if not is_ours(name)}
    files = [(ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements-cluster.txt")]
    pinned = re.findall(r"^([\w.-]+)==[\w.]+$", "".join(files), re.MULTILINE)
    assert {DISTRIBUTIONS.get(name, name) for name in outside} <= set(pinned)


# At import


def test_importing_loads_nothing_heavy_and_changes_nothing() -> None:
    """In one fresh process, as everything heavy is loaded in this one."""
    code = """
import logging, os, signal, sys

def state():
    handlers = logging.root.handlers[:]
    return handlers, dict(os.environ), signal.getsignal(signal.SIGINT), sys.excepthook

before = state()
import reranker, reranker.cli.main, reranker.__main__, reranker.labelling.server, reranker.storage.thumbnail_store
assert state() == before
assert not {"torch", "gradio", "transformers"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_exported_names_are_what_they_say() -> None:
    public = {name for name, value in vars(reranker).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert set(reranker.__all__) == public | {"__version__"}
    assert reranker.__all__ == sorted(reranker.__all__)
    assert [name for name in public if getattr(reranker, name).__name__ != name] == []


def test_the_changelog_tells_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(reranker.__version__)}\]?", changelog, re.MULTILINE)
