"""A visitor of the page, and a sentence that must stay text wherever it is shown."""

from types import SimpleNamespace

HOSTILE = "<img src=x onerror=\"document.title='owned'\">${document.title='owned'}{{value}}\\users ` #?&"


def visitor(language: str = "en", session: str = "a tab") -> SimpleNamespace:
    """As much of a `gr.Request` as is looked at."""
    headers = {"accept-language": language, "host": "127.0.0.1:7860"}
    return SimpleNamespace(headers=headers, session_hash=session, client=SimpleNamespace(host="127.0.0.1"))
