"""Decide by the text of a path alone where it leads, before the file system is asked.

On Windows, a look at `\\\\host\\share\\a.png` connects to that host and logs in, whatever is done with the answer, and
names such as `NUL` and `COM1` are devices in every folder.
"""

import os
import re
from types import ModuleType
from typing import Final

_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


def parts_inside(text: str, folder: str, path_module: ModuleType = os.path) -> tuple[str, ...] | None:
    """Return the parts of an absolute path below a folder, without `..`, or None if it does not lie in the folder.

    folder: absolute. path_module: `posixpath` or `ntpath`, whose rules apply.
    """
    parts, root = (path_module.normpath(each).split(path_module.sep) for each in (text, folder))
    head, rest = parts[: len(root)], parts[len(root) :]
    if [*map(path_module.normcase, head)] != [*map(path_module.normcase, root)] or not rest:
        return None
    if path_module.sep == "\\" and any(map(_is_special_on_windows, rest)):
        return None
    return tuple(rest)


def _is_special_on_windows(part: str) -> bool:
    """Return whether Windows opens something else than a file of this name."""
    return ":" in part or part != part.rstrip(" .") or _DEVICE.fullmatch(part) is not None
