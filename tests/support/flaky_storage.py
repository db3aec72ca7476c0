"""A storage that fails when a test says so; everything else goes to the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.errors import StorageUnavailableError
from core.storage.base import Storage


class FlakyStorage:
    """Raises StorageUnavailableError where `fails(method, key)`; with `after` only when the call was carried out."""

    def __init__(self, storage: Storage, *, fails: Callable[[str, str], bool], after: bool = False) -> None:
        self._storage, self._fails, self._after = storage, fails, after

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(key: str, *args: Any, **kwargs: Any) -> Any:
            fails = self._fails(method, key)
            if fails and not self._after:
                raise StorageUnavailableError(f"{method} {key}: away")
            result = getattr(self._storage, method)(key, *args, **kwargs)
            if fails:
                raise StorageUnavailableError(f"{method} {key}: the answer was lost")
            return result

        return call
