"""From a body's bytes to its fields. It computes, and a stranger chooses for how long: it has threads of its own."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncGenerator, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NoReturn

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from api.problems import MalformedRequestError
from core.errors import InvalidInputError, PayloadTooLargeError

JSON = "application/json"
MULTIPART = "multipart/form-data"
FORMS = (MULTIPART, "application/x-www-form-urlencoded")
MOST_EXACT = 2**53  # from here on a float is no longer the only one with its value
MAX_FORM_FIELDS = 50
MAX_JSON_BESIDE_PICTURE = 256 * 1024  # json takes the interpreter for itself for as long as it parses

_DATA_URI = re.compile(rb'"(data:[^"]{1024,})"')


@dataclass(frozen=True)
class Body:
    """What a client sent: fields as they came; `picture`, or a tail's `file`, may be bytes (a file) or text.

    A field that a form holds several times is a list, as one may come in JSON.
    """

    fields: dict[str, Any]
    strict: bool
    """Whether values have their JSON types; the values of a form are all text."""
    held: ExitStack = field(default_factory=ExitStack)
    """What is held for as long as the body is in hand."""

    def let_go(self) -> None:
        """Give the memory back before the request ends: what was accepted lies in storage."""
        self.fields.clear()
        self.held.close()


def parse_body(
    kind: str, headers: Headers, chunks: list[bytes], max_bytes: int, repeatable: frozenset[str] = frozenset()
) -> Body:
    """Return a body of the media type `kind`; takes the chunks out of their list.

    Raises MalformedRequestError, PayloadTooLargeError and InvalidInputError (a field is given twice that is not one of
    the `repeatable`, or is a file).
    """
    if kind == JSON:
        data = b"".join(chunks)
        chunks.clear()
        return Body(_parse_json(data), strict=True)
    return Body(_parse_form(kind, headers, chunks, max_bytes, repeatable), strict=False)


def _parse_json(data: bytes) -> dict[str, Any]:
    """Return the object; long pictures are taken out first, as what is left parses at once."""
    taken: dict[str, str] = {}
    if len(data) > MAX_JSON_BESIDE_PICTURE:
        data = _without_pictures(data, taken)
    if len(data) > MAX_JSON_BESIDE_PICTURE:
        limit = MAX_JSON_BESIDE_PICTURE
        raise PayloadTooLargeError(f"the body is over the limit of {limit} bytes beside its picture", limit=limit)
    try:
        value = json.loads(data, parse_constant=_no_constant, parse_float=json_number)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedRequestError("the body is not a JSON object")
    return _put_back(value, taken) if taken else value


def json_number(text: str) -> int | float:
    """Return a number as JSON Schema has it: 8.0 is an integer, and JavaScript and Lua may write it so."""
    value = float(text)
    return int(value) if abs(value) < MOST_EXACT and value.is_integer() else value


def _without_pictures(data: bytes, taken: dict[str, str]) -> bytes:
    """Return JSON in which names of nobody else's choice stand for long data URIs, which go into `taken`."""
    nonce = secrets.token_hex(8)

    def take(found: re.Match[bytes]) -> bytes:
        text = found[1].replace(rb"\/", b"/")
        if b"\\" in text:
            return found[0]
        name = f"{nonce}.{len(taken)}"
        taken[name] = text.decode("latin-1")
        return f'"{name}"'.encode()

    return _DATA_URI.sub(take, data)


def _put_back(value: dict[str, Any], taken: dict[str, str]) -> dict[str, Any]:
    """Return the object with the data URIs in their places: fields, or in a list that is one."""

    def back(one: Any) -> Any:
        return taken.get(one, one) if isinstance(one, str) else one

    return {
        name: [back(one) for one in field] if isinstance(field, list) else back(field) for name, field in value.items()
    }


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_form(
    kind: str, headers: Headers, chunks: list[bytes], max_bytes: int, repeatable: frozenset[str]
) -> dict[str, Any]:
    fields: dict[str, list[Any]] = {}
    try:
        form = _at_once(_form_parser(kind, headers, _stream(chunks), max_bytes).parse())
    except (MultiPartException, FormParserError) as error:
        too_many = {"limit": MAX_FORM_FIELDS} if "Too many" in str(error) else {}
        raise MalformedRequestError(f"the form can't be read: {error}", **too_many) from None
    for name, value in form.multi_items():
        if name in fields and name not in repeatable:
            raise InvalidInputError(name, f"{name} is given twice")
        fields.setdefault(name, []).append(_file(name, value) if isinstance(value, UploadFile) else value)
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}


def _form_parser(
    kind: str, headers: Headers, stream: AsyncGenerator[bytes, None], max_bytes: int
) -> MultiPartParser | FormParser:
    if kind != MULTIPART:
        return FormParser(headers, stream, max_fields=MAX_FORM_FIELDS, max_part_size=max_bytes)
    parser = MultiPartParser(
        headers, stream, max_files=MAX_FORM_FIELDS, max_fields=MAX_FORM_FIELDS, max_part_size=max_bytes
    )
    parser.spool_max_size = max_bytes + 1  # in memory, where it is anyway
    return parser


async def _stream(chunks: list[bytes]) -> AsyncGenerator[bytes, None]:
    chunks.reverse()
    while chunks:
        yield chunks.pop()


def _at_once(parsing: Coroutine[Any, Any, FormData]) -> FormData:
    """Run a parser whose stream never waits, without an event loop."""
    try:
        parsing.send(None)
    except StopIteration as done:
        form: FormData = done.value
        return form
    raise RuntimeError("a form's parser waits for something although all of the form is there")


def _file(name: str, upload: UploadFile) -> bytes:
    if name not in ("picture", "file"):
        raise InvalidInputError(name, f"{name} is a file; only picture, or the file of a tail, may be one")
    with upload.file as file:
        return file.read()
