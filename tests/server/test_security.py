"""Which requests come from pages of other sites."""

import pytest
from starlette.datastructures import Headers

from reranker.server.security import is_foreign

HOST = "127.0.0.1:7860"


@pytest.mark.parametrize(
    ("headers", "method", "expected"),
    [
        ({}, "POST", False),  # a program
        ({"origin": f"http://{HOST}"}, "POST", False),
        ({"origin": "https://evil.example"}, "POST", True),
        ({"origin": "https://evil.example"}, "GET", True),
        ({"origin": "http://127.0.0.1:3000"}, "POST", True),
        ({"origin": "null"}, "POST", True),
        ({"origin": "http://["}, "POST", True),
        ({"origin": f"http://{HOST}.evil.example"}, "POST", True),
        ({"origin": f"http://{HOST}@evil.example"}, "POST", True),
        ({"origin": "https://studio.example", "x-forwarded-host": "studio.example"}, "POST", False),
        ({"origin": "http://a.example", "host": "a.example:80"}, "POST", False),
        ({"origin": "http://a.example", "x-forwarded-host": "A.example, inner"}, "POST", False),
        ({"origin": "", "x-forwarded-host": ""}, "POST", True),
        ({"sec-fetch-site": "same-origin", "origin": "https://studio.example"}, "POST", False),  # behind a proxy
        ({"sec-fetch-site": "none"}, "GET", False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, "GET", False),  # a link, or a frame
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, "POST", True),  # a form
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "GET", True),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, "POST", True),
        ({"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}, "POST", True),
    ],
)
def test_pages_of_other_sites_are_told_from_programs_and_the_own_page(headers, method, expected) -> None:
    assert is_foreign(Headers({"host": HOST, **headers}), opens_page=method == "GET") is expected
