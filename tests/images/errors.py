from __future__ import annotations


class ImagesError(Exception):
    """Something about the images does not work; the message says what, in a line or with a log."""


class CannotRunError(Exception):
    """Images can't be built or started on this machine; the message says what is missing."""
