"""Uploaded pictures become what a job stores, on threads of their own and within a bound of pixels."""

from __future__ import annotations

from typing import Literal

from api.intake.room import Room
from api.threads import AllThreads
from core.config import Settings
from core.errors import OverloadedError
from core.images import decode_picture, fit_picture, read_header, to_png
from core.memory import give_back

RETRY_AFTER_S = 10
WORTH_GIVING_BACK = 4_000_000  # pixels: some tens of megabytes


class Decoder:
    """Decodes pictures of at most so many pixels at once; the others wait for their turn, but not for ever."""

    def __init__(self, settings: Settings, threads: AllThreads) -> None:
        self._settings = settings
        self._threads = threads
        self._room = Room(settings.max_pixels_in_flight)

    async def square(self, data: bytes, size: int, fit: Literal["crop", "pad"]) -> bytes:
        """Return the picture in `data` as the PNG of a square of `size` pixels.

        Raises InvalidPictureError, and OverloadedError when too many pixels wait before it.
        """
        header = await self._threads.parsing.run(read_header, data, **self._limits())
        try:
            async with self._room.of(header.cost, self._settings.max_decode_wait_s):
                return await self._threads.decoding.run(self._decode, data, size, fit, header.cost)
        except TimeoutError:
            limit = self._settings.max_pixels_in_flight
            detail = f"more pictures wait to be decoded than {limit} pixels at a time allow; send it again later"
            raise OverloadedError(detail, retry_after_s=RETRY_AFTER_S, limit=limit) from None

    def _limits(self) -> dict[str, int]:
        return {"max_bytes": self._settings.max_picture_bytes, "max_pixels": self._settings.max_picture_pixels}

    def _decode(self, data: bytes, size: int, fit: Literal["crop", "pad"], cost: int) -> bytes:
        try:
            return to_png(fit_picture(decode_picture(data, **self._limits(), side=size), size, fit))
        finally:
            if cost >= WORTH_GIVING_BACK:
                give_back()
