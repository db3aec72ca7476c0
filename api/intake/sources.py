"""Where a request's picture comes from: its own body, or a URL that is fetched before the job is accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from api.intake.fetching import PictureFetcher
from api.intake.parsing import Body
from core.errors import InvalidInputError, InvalidPictureError
from core.images import parse_data_uri


@dataclass(frozen=True)
class PictureUrl:
    """A URL that stands for a picture, and the field that named it."""

    field: str
    url: str


Source = bytes | PictureUrl
_PICTURE = ("picture", "picture_url")


def picture_source(body: Body) -> tuple[Source, Body]:
    """Return where the picture comes from, and the other fields; a URL is `picture_url` in them, however it was sent.

    Raises InvalidInputError, and InvalidPictureError for a data URI that is none.
    """
    fields = {name: value for name, value in body.fields.items() if name != "picture"}
    picture, url = (_sent(body, name) for name in ("picture", "picture_url"))
    if picture is not None and url is not None:
        raise InvalidInputError("picture_url", "picture_url and picture are both given; a job learns from one of them")
    if isinstance(picture, dict):
        fields["picture_url"] = _url_of(picture)
        return PictureUrl("picture.url", fields["picture_url"]), Body(fields, body.strict)
    if isinstance(url, str):
        return PictureUrl("picture_url", url), Body(fields, body.strict)
    if isinstance(picture, str):
        picture = parse_data_uri(picture)
    if not isinstance(picture, bytes):
        raise InvalidInputError(
            "picture", "picture is required: a file in a form, a data URI or a URL in JSON, or picture_url"
        )
    return picture, Body(fields, body.strict)


def _sent(body: Body, name: str) -> Any:
    value = body.fields.get(name)
    return None if value == "" and not body.strict else value  # an empty field of a form was not filled in


def optional_source(body: Body) -> tuple[Source | None, Body]:
    """Return where the picture of a request comes from that need not have one."""
    has_one = any(body.fields.get(name) not in (None, "") for name in ("picture", "picture_url"))
    return picture_source(body) if has_one else (None, body)


def _url_of(picture: dict[str, Any]) -> str:
    if picture.keys() != {"url"} or not isinstance(picture["url"], str):
        raise InvalidInputError(
            "picture", 'picture must be a data URI, or an object with nothing but a text, its "url"'
        )
    return picture["url"]


@asynccontextmanager
async def picture_data(fetcher: PictureFetcher, source: Source) -> AsyncIterator[bytes]:
    """Yield the picture's file; what is found wrong with a fetched one in the block is said of the field of its URL."""
    if isinstance(source, bytes):
        yield source
        return
    async with fetcher.fetched(source.field, source.url) as data:
        try:
            yield data
        except InvalidPictureError as error:
            raise InvalidPictureError(error.reason, f"{source.field}: {error.detail}", field=source.field) from error
