"""Where a request's pictures come from: its own body, or URLs that are fetched before the job is accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from api.intake.fetching import PictureFetcher
from api.intake.parsing import Body
from core.errors import InvalidInputError, InvalidPictureError
from core.images import parse_data_uri
from core.limits import setting_name


@dataclass(frozen=True)
class PictureFile:
    """A picture's file, and what problems call it."""

    field: str
    data: bytes


@dataclass(frozen=True)
class PictureUrl:
    """A URL that stands for a picture, and the field that named it."""

    field: str
    url: str


Source = PictureFile | PictureUrl
_MOST_PICTURES = setting_name("max_pictures")
_SETTINGS = {"too-large": "max_picture_bytes", "pixels": "max_picture_pixels"}  # by the reason of an error


def picture_sources(body: Body, most: int) -> tuple[list[Source], Body]:
    """Return where the pictures come from, at most so many, and the other fields.

    The URL of a single picture is `picture_url` in them, however it was sent; of several none is. Raises
    InvalidInputError, and InvalidPictureError for a data URI that is none.
    """
    others = {name: value for name, value in body.fields.items() if name not in ("picture", "picture_url")}
    picture, url = (_sent(body, name) for name in ("picture", "picture_url"))
    if picture is not None and url is not None:
        raise InvalidInputError("picture_url", "picture_url and picture are both given; a job learns from one of them")
    field, given = ("picture_url", url) if picture is None and url is not None else ("picture", picture)
    several = given if isinstance(given, list) else [given]
    if not 1 <= len(several) <= most:
        taken = "one is" if most == 1 else f"1 to {most} are"
        detail = f"{field} is given {len(several)} times; {taken} taken"
        raise InvalidInputError(field, detail, limit=most, **({} if most == 1 else {"setting": _MOST_PICTURES}))
    sources = [_source(name_of(field, index, several), value) for index, value in enumerate(several)]
    if len(sources) == 1 and isinstance(sources[0], PictureUrl):
        others["picture_url"] = sources[0].url
    return sources, Body(others, body.strict)


def _sent(body: Body, name: str) -> Any:
    value = body.fields.get(name)
    return None if value == "" and not body.strict else value  # an empty field of a form was not filled in


def optional_source(body: Body) -> tuple[Source | None, Body]:
    """Return where the picture of a request comes from that need not have one."""
    if all(body.fields.get(name) in (None, "") for name in ("picture", "picture_url")):
        return None, replace(body, fields={name: value for name, value in body.fields.items() if name != "picture"})
    [source], others = picture_sources(body, most=1)
    return source, others


def _source(name: str, given: object) -> Source:
    if isinstance(given, bytes):
        return PictureFile(name, given)
    if isinstance(given, dict):
        return PictureUrl(f"{name}.url", _url_of(name, given))
    if isinstance(given, str) and name.startswith("picture_url"):
        return PictureUrl(name, given)
    if isinstance(given, str):
        with called(name):
            return PictureFile(name, parse_data_uri(given))
    raise InvalidInputError(
        name, f"{name} is required: a file in a form, a data URI or a URL in JSON, or picture_url, a text"
    )


def _url_of(name: str, given: dict[str, Any]) -> str:
    if given.keys() != {"url"} or not isinstance(given["url"], str):
        raise InvalidInputError(name, f'{name} must be a data URI, or an object with nothing but a text, its "url"')
    return given["url"]


def sent_of(sources: Sequence[Source]) -> list[bytes]:
    """Return what tells the pictures of one request from those of another; a single URL is one of the fields."""
    if len(sources) == 1:
        return [source.data for source in sources if isinstance(source, PictureFile)]
    return [source.data if isinstance(source, PictureFile) else source.url.encode() for source in sources]


def name_of(field: str, index: int, values: Sequence[object]) -> str:
    """Return what problems call one of several values: `picture[2]` is the third; one alone has the field's name."""
    return f"{field}[{index}]" if len(values) > 1 else field


@contextmanager
def called(name: str) -> Iterator[None]:
    """Let what is wrong with a picture in the block say which one it is."""
    try:
        yield
    except InvalidPictureError as error:
        if error.reason in _SETTINGS:
            error.extra["setting"] = setting_name(_SETTINGS[error.reason])
        raise error.named(name) from error.__cause__


def check_sum(reason: str, name: str, total: int, unit: str, limit: int) -> None:
    """Refuse pictures of one request that are too much together: those up to the one of this name."""
    if total > limit:
        detail = f"{name} and those before it have {total} {unit} together; at most {limit} are taken"
        with called(name):
            raise InvalidPictureError(reason, "picture" + detail.removeprefix(name), limit=limit)


@asynccontextmanager
async def picture_files(
    fetcher: PictureFetcher, sources: Sequence[Source], max_bytes: int
) -> AsyncIterator[list[PictureFile]]:
    """Yield the pictures' files, those that have URLs fetched one after the other until all are over `max_bytes`."""
    async with AsyncExitStack() as held:
        files = []
        for source in sources:
            if isinstance(source, PictureUrl):
                fetched = await held.enter_async_context(fetcher.fetched(source.field, source.url))
                files.append(PictureFile(source.field, fetched))
                check_sum("too-large", source.field, sum(len(file.data) for file in files), "bytes", max_bytes)
            else:
                files.append(source)
        yield files
