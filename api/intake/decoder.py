"""Uploaded pictures become what a job stores, on threads of their own and within a bound of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from api.intake.room import Room
from api.intake.sources import PictureFile, called, check_sum
from api.threads import AllThreads
from core.config import Settings
from core.errors import OverloadedError
from core.images import Header, decode_picture, fit_picture, read_header, to_png
from core.limits import named_limit
from core.memory import give_back

RETRY_AFTER_S = 10
WORTH_GIVING_BACK = 4_000_000  # pixels: some tens of megabytes


class Decoder:
    """Decodes pictures of at most so many pixels at once; the others wait for their turn, but not for ever."""

    def __init__(self, settings: Settings, threads: AllThreads) -> None:
        self._settings = settings
        self._threads = threads
        self._room = Room(settings.max_pixels_in_flight)

    async def squares(self, pictures: Sequence[PictureFile], size: int, fit: Literal["crop", "pad"]) -> list[bytes]:
        """Return the pictures of one request as PNGs of squares of `size` pixels, decoded one after the other.

        Raises InvalidPictureError, which says which one, and OverloadedError when too many pixels wait before them.
        """
        headers = await self._threads.parsing.run(self._headers, pictures)
        try:
            async with self._room.of(max(header.cost for header in headers), self._settings.max_decode_wait_s):
                return [
                    await self._threads.decoding.run(self._decode, picture, size, fit, header.cost)
                    for picture, header in zip(pictures, headers, strict=True)
                ]
        except TimeoutError:
            limit = named_limit(self._settings, "max_pixels_in_flight")
            detail = (
                f"more pictures wait to be decoded than {limit['limit']} pixels at a time allow; send it again later"
            )
            raise OverloadedError(detail, retry_after_s=RETRY_AFTER_S, **limit) from None

    def _headers(self, pictures: Sequence[PictureFile]) -> list[Header]:
        """Return what the files say of themselves; all together must be within the limits of one."""
        headers: list[Header] = []
        sizes, pixels = 0, 0
        for picture in pictures:
            name = picture.field
            with called(name):
                headers.append(read_header(picture.data, **self._limits()))
            sizes, pixels = sizes + len(picture.data), pixels + headers[-1].pixels
            check_sum("too-large", name, sizes, "bytes", self._settings.max_picture_bytes)
            check_sum("pixels", name, pixels, "pixels", self._settings.max_picture_pixels)
        return headers

    def _limits(self) -> dict[str, int]:
        return {"max_bytes": self._settings.max_picture_bytes, "max_pixels": self._settings.max_picture_pixels}

    def _decode(self, picture: PictureFile, size: int, fit: Literal["crop", "pad"], cost: int) -> bytes:
        try:
            with called(picture.field):
                return to_png(fit_picture(decode_picture(picture.data, **self._limits(), side=size), size, fit))
        finally:
            if cost >= WORTH_GIVING_BACK:
                give_back()
