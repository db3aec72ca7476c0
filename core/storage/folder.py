# ruff: noqa: D102, ARG002 - the protocol tells what each method does; a type is kept in the URL, not in the folder
"""Objects as files in a local folder: the embedded default."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from core.errors import StorageUnavailableError
from core.storage.base import ObjectInfo, ObjectMissingError
from core.storage.key_rules import TEMPORARY, check_folder_prefix, check_key, check_prefix
from core.storage.race import race_for_one_key
from core.storage.signing import sign
from core.storage.unfinished import sweep_unfinished, unfinished

_TRIES = 100  # each lost try means that another thread removed an empty folder just then


class FolderStorage:
    """A `Storage` in `root`; no key may name a folder of another key.

    A write goes to a synced temporary file first and gets its name in one step: readers and crashes see all or nothing.
    """

    def __init__(self, root: Path, secret: bytes) -> None:
        self._secret = secret
        with _store_errors():
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve()
            self._temporary = self._root / TEMPORARY
            self._temporary.mkdir(exist_ok=True)
            sweep_unfinished(self._temporary)

    def put(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> None:
        path = self._path(key)
        with _store_errors(), unfinished(self._temporary, data) as temporary:
            self._place(path, lambda: os.replace(temporary, path))  # noqa: PTH105 - one call for both kinds of placing

    def create(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> bool:
        path = self._path(key)
        with _store_errors(), unfinished(self._temporary, data) as temporary:
            try:
                self._place(path, lambda: os.link(temporary, path))
            except FileExistsError:
                return False
            return True

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _store_errors():
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._check_mounted()
                raise ObjectMissingError(key) from None

    def head(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        with _store_errors():
            try:
                if path.is_file():
                    return self._info(path)
            except FileNotFoundError:
                pass
            self._check_mounted()
            return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix).rpartition("/")[0]
        with _store_errors():
            self._check_mounted()
            yield from self._walk(self._root / folder, prefix)

    def scan(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix).rpartition("/")[0]
        with _store_errors():
            self._check_mounted()
            yield from self._walk(self._root / folder, prefix, check_prefix(after))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _store_errors():
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            except (IsADirectoryError, PermissionError):
                if path.is_dir():  # some systems say PermissionError for a folder
                    return
                raise
            self._sync_up(path.parent)
            self._remove_empty(path.parent)

    def delete_prefix(self, prefix: str) -> int:
        keys = [found.key for found in self.list(check_folder_prefix(prefix))]
        for key in keys:
            self.delete(key)
        return len(keys)

    def url(self, key: str, *, expires_s: int, filename: str, content_type: str) -> str:
        check_key(key)
        return sign(self._secret, key, expires_s=expires_s, filename=filename, content_type=content_type)

    def probe(self) -> None:
        race_for_one_key(self)

    def _check_mounted(self) -> None:
        """Tell "it is not there" from "the volume is not there": the temporary folder is there as long as the store."""
        if not self._temporary.is_dir():
            raise StorageUnavailableError(f"the storage folder {self._root} is not there any more")

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if path.resolve() != path:
            raise ValueError(f"key {key!r} leads through a symbolic link")
        return path

    def _place(self, path: Path, place: Callable[[], None]) -> None:
        """Give the temporary file its name, and sync every folder on the way to it, also for the loser of a race."""
        for _ in range(_TRIES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                place()
            except FileNotFoundError:
                continue  # a delete removed the folder, empty until now
            except (NotADirectoryError, FileExistsError, IsADirectoryError):
                if path.is_file():
                    self._sync_up(path.parent)
                    raise
                if self._is_barred(path):
                    key = path.relative_to(self._root)
                    raise ValueError(f"{key} is a folder of other keys or lies under one") from None
                continue  # mkdir met a folder that a delete then removed, and took it for a file
            self._sync_up(path.parent)
            return
        raise StorageUnavailableError("storage: the folder vanishes again and again while it is written to")

    def _is_barred(self, path: Path) -> bool:
        """Tell whether a folder of keys has the path's name, or a key is where a folder on the way to it must be."""
        return path.is_dir() or any(each.is_file() for each in path.parents if each.is_relative_to(self._root))

    def _sync_up(self, folder: Path) -> None:
        for each in (folder, *folder.parents):
            with suppress(FileNotFoundError):
                _sync(each)
            if each == self._root:
                return

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or another thread was first
            folder = folder.parent

    def _walk(self, folder: Path, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """Yield in key order: a folder sorts as its name with a slash, as its keys have it."""
        try:
            entries = {f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name: e for e in os.scandir(folder)}
        except (FileNotFoundError, NotADirectoryError):
            return
        for name, entry in sorted(entries.items()):
            path = folder / entry.name
            key = path.relative_to(self._root).as_posix()
            if entry.is_symlink() or path == self._temporary:
                continue
            if name.endswith("/"):
                within = f"{key}/"
                is_past = within < after and not after.startswith(within)
                if not is_past and (within.startswith(prefix) or prefix.startswith(within)):
                    yield from self._walk(path, prefix, after)
            elif key.startswith(prefix) and key > after:
                with suppress(FileNotFoundError):
                    yield self._info(path)

    def _info(self, path: Path) -> ObjectInfo:
        status = path.stat()
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return ObjectInfo(path.relative_to(self._root).as_posix(), status.st_size, modified)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailableError(f"storage: the folder can't be used ({error.strerror})") from error
