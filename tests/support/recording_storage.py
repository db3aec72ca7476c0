"""A storage that writes down what is asked of it; everything goes to the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.storage.base import Storage

Request = tuple[str, str]
"""An operation and its key, or the prefix of a listing."""


class RecordingStorage:
    """Notes each request, in the order in which they are made, in a list that several stores may share."""

    def __init__(self, storage: Storage, requests: list[Request]) -> None:
        self._storage, self._requests = storage, requests

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if method != "url":
                self._requests.append((method, str(args[0]) if args else ""))
            return getattr(self._storage, method)(*args, **kwargs)

        return call
