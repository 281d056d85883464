"""Run Python in a subprocess as if only some of the installed packages were there."""

import subprocess
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT
from tests.support.shell import ended, started

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# `PathFinder` finds the modules of installed packages. Its replacement does not find those that are named.
_HIDE_THE_REST = """
import runpy, sys
from importlib.machinery import PathFinder

hidden = set(sys.argv.pop(1).split(","))


class NotHidden:
    find_distributions = PathFinder.find_distributions

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in hidden else PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = NotHidden
"""
_RUN_THE_PROGRAM = "sys.argv[0] = 'reranker'\nrunpy.run_module('reranker', run_name='__main__')"


def requirements(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml requires of other packages, directly, with these extras."""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in EXTRAS[extra])]
    found = [Requirement(text) for text in texts]
    own = [extra for each in found if each.name == PROJECT["name"] for extra in each.extras]
    return [each for each in found if each.name != PROJECT["name"]] + (requirements(*own) if own else [])


def names(*extras: str) -> set[str]:
    """Return the names of the distributions in `requirements`."""
    return {canonicalize_name(each.name) for each in requirements(*extras)}


@cache
def other_modules(*extras: str) -> set[str]:
    """Return the top-level modules of installed packages that these extras do not install, directly or indirectly."""
    distributions = _with_dependencies(requirements(*extras))
    return {
        module
        for module, owners in packages_distributions().items()
        if not distributions & {canonicalize_name(owner) for owner in owners}
    }


def _with_dependencies(wanted: Iterable[Requirement]) -> set[str]:
    """Return the distributions that pip installs for requirements; those of other platforms are not here."""
    pending, seen = list(wanted), set()
    while pending:
        each = pending.pop()
        key = canonicalize_name(each.name), frozenset(each.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            texts = distribution(each.name).requires or ()
        except PackageNotFoundError:
            continue
        dependencies = map(Requirement, texts)
        pending += [one for one in dependencies if _is_needed(one, each.extras)]
    return {name for name, _ in seen}


def _is_needed(dependency: Requirement, extras: Iterable[str]) -> bool:
    return dependency.marker is None or any(dependency.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def start(*arguments: object, extras: Iterable[str] = (), options: Iterable[str] = (), **streams) -> subprocess.Popen:
    """Start the command line with the packages of these extras alone. options: of the interpreter."""
    code = _HIDE_THE_REST + _RUN_THE_PROGRAM
    return started([*options, "-c", code, _joined(extras)], *arguments, **streams)


def run_code(code: str, *, extras: Iterable[str] = (), options: Iterable[str] = ()) -> str:
    """Run code with the packages of these extras alone, and return what it prints."""
    result = ended(started([*options, "-c", _HIDE_THE_REST + code, _joined(extras)]))
    assert result.code == 0, result.err
    return result.out.strip()


def _joined(extras: Iterable[str]) -> str:
    return ",".join(sorted(other_modules(*extras)))
