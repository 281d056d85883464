"""Check that an upload consists of files, while it arrives and before Gradio stores them."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from reranker.core.errors import RequestMalformed


class UploadParts:
    """The parts of one request. Gradio writes files to the disk, but keeps other fields in memory, whatever their size.

    Raises `RequestMalformed` if the request is not a form.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._header_name, self._header_value = bytearray(), bytearray()
        self._is_file = False
        media_type, options = parse_options_header(Headers(scope=scope).get("content-type", ""))
        if media_type != b"multipart/form-data" or b"boundary" not in options:
            raise RequestMalformed(where="Content-Type")
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_header_name,
            "on_header_value": self._add_to_header_value,
            "on_header_end": self._read_header,
            "on_headers_finished": self._require_file,
        }
        self._parser = MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]

    async def receive(self) -> Message:
        """Receive the next bytes. Raises `RequestMalformed`, and what the client's `receive` raises."""
        message = await self._receive()
        try:
            self._parser.write(message.get("body", b""))
        except FormParserError:
            raise RequestMalformed(where="body") from None
        return message

    def _begin(self) -> None:
        self._is_file = False

    def _add_to_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_to_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _read_header(self) -> None:
        """Note whether the part is a file, by the rule of Gradio's own parser. The parser limits the header."""
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._is_file = b"filename" in options
        self._header_name.clear()
        self._header_value.clear()

    def _require_file(self) -> None:
        if not self._is_file:
            raise RequestMalformed(where="files")
