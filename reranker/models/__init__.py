"""Models: find, download, check and load them, and run their networks with torch.

transformers writes docstrings when its models are imported, from other docstrings, and raises an error if `python -OO`
has removed those. Then its decorator is replaced here, before any model is imported.
"""

import sys
from typing import Any


def _keep_as_it_is(documented: Any = None, **_: Any) -> Any:
    """Stand in for `transformers.utils.auto_docstring`, which is used with and without arguments."""
    return documented if documented is not None else _keep_as_it_is


if sys.flags.optimize > 1:
    import transformers.utils

    transformers.utils.auto_docstring = _keep_as_it_is  # type: ignore[attr-defined, assignment]
