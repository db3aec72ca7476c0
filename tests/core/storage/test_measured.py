"""Requests to storage are timed by what they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import StorageUnavailableError
from core.storage import FolderStorage
from core.storage.base import ObjectMissingError
from core.storage.measured import MeasuredStorage, StorageMeter


def test_every_operation_is_noted_and_answers_as_the_store_does(tmp_path: Path) -> None:
    heard: list[tuple[str, bool]] = []
    meter = StorageMeter()
    meter.listen(lambda operation, seconds, answered: heard.append((operation, answered and seconds > 0)))
    storage = MeasuredStorage(FolderStorage(tmp_path, b"secret"), meter)
    storage.put("a/1", b"one")
    assert (storage.create("a/2", b"two"), storage.create("a/2", b"three")) == (True, False)
    assert storage.get("a/2") == b"two"
    found = storage.head("a/1")
    assert found
    assert found.size == 3
    assert [info.key for info in storage.list("a/")] == ["a/1", "a/2"]
    assert [info.key for info in storage.scan("a/", after="a/1")] == ["a/2"]
    storage.delete("a/1")
    assert storage.delete_prefix("a/") == 1
    with pytest.raises(ObjectMissingError):  # an answer like any other
        storage.get("a/1")
    operations = ["put", "create", "create", "get", "head", "list", "list", "delete", "delete", "get"]
    assert heard == [(name, True) for name in operations]
    assert meter.read()["get"].requests == 2
    assert meter.read()["get"].seconds > 0
    assert meter.read()["get"].failed == 0


def test_a_store_that_does_not_answer_is_counted_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_key: str) -> bytes:
        raise StorageUnavailableError("storage does not answer")

    meter, store = StorageMeter(), FolderStorage(tmp_path, b"secret")
    monkeypatch.setattr(store, "get", away)
    with pytest.raises(StorageUnavailableError):
        MeasuredStorage(store, meter).get("a")
    assert (meter.read()["get"].requests, meter.read()["get"].failed) == (1, 1)
