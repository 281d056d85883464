"""A visitor of the page, a sentence that must stay text wherever it is shown, and addresses that are never opened."""

from types import SimpleNamespace

HOSTILE = "<img src=x onerror=\"document.title='owned'\">${document.title='owned'}{{value}}\\users ` #?&"
ELSEWHERE = [
    "/etc/passwd",
    "../../etc/passwd",
    "http://127.0.0.1:1/picture.png",
    "https://example.org/picture.png",
    "file:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "picture.png",
    "",
    "\0",
    "x" * 5000,
]


def visitor(language: str = "en", session: str = "a tab") -> SimpleNamespace:
    """The parts of a `gr.Request` that the page reads."""
    headers = {"accept-language": language, "host": "127.0.0.1:7860"}
    client = SimpleNamespace(host="127.0.0.1")
    return SimpleNamespace(headers=headers, session_hash=session, client=client, username=None)
