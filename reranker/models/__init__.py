"""Find, download, check and load models, and run their networks with torch.

Dual encoders also run on ONNX Runtime, which needs the extra `library`.

transformers generates docstrings from other docstrings when its models are imported. It raises an error if `python -OO`
has removed them. In that case the decorator is replaced here, before any model is imported.
"""

import sys
from typing import Any


def _return_unchanged(documented: Any = None, **_: Any) -> Any:
    """Replace `transformers.utils.auto_docstring`, which is used with and without arguments."""
    return documented if documented is not None else _return_unchanged


if sys.flags.optimize > 1:
    import transformers.utils

    transformers.utils.auto_docstring = _return_unchanged  # type: ignore[attr-defined, assignment]
