"""All API keys, in storage: every process on it knows the same ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from core.access.keys import NAME_PATTERN, ApiKey, Scope, hash_of, new_key
from core.errors import InvalidInputError, NotFoundError
from core.jobs.records import DEFAULT_OWNER
from core.storage.base import ObjectMissingError, Storage

KEYS = "keys/"


class Keyring:
    """Makes, finds and revokes keys. All calls block; what storage cannot do raises StorageUnavailableError."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def create(
        self, name: str, scopes: Iterable[Scope], now: datetime, *, owner: str | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key; returns what is kept of it, and the key itself, which is kept nowhere.

        The owner is called like the key, unless it is given: several keys may be one owner's. Raises InvalidInputError
        for a name that can't be one, and when there is an owner of this name who was not asked for.
        """
        for field, value in (("name", name), ("owner", owner or name)):
            if not re.fullmatch(NAME_PATTERN, value):
                raise InvalidInputError(
                    field, f"{field} has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit"
                )
        if owner is None and name in {DEFAULT_OWNER, *(key.owner for key in self.all())}:
            raise InvalidInputError(
                "name", f"name: there is an owner {name!r} already; another name, or --owner {name} for his next key"
            )
        key, key_id = new_key()
        kept = {"id": key_id, "name": name, "owner": owner or name, "scopes": tuple(scopes), "created_at": now}
        record = ApiKey(sha256=hash_of(key), **kept)
        self._put(record)
        return record, key

    def all(self) -> list[ApiKey]:
        """Return every key there ever was, the oldest first."""
        found = [self.find(info.key.removeprefix(KEYS).removesuffix(".json")) for info in self._storage.list(KEYS)]
        return sorted((key for key in found if key), key=lambda key: key.created_at)

    def find(self, key_id: str) -> ApiKey | None:
        """Return what is kept of a key."""
        try:
            return ApiKey.model_validate_json(self._storage.get(_object(key_id)))
        except ObjectMissingError:
            return None

    def revoke(self, name_or_id: str, now: datetime) -> ApiKey:
        """Let a key open nothing any more; a revoked one stays as it is.

        Raises NotFoundError, and InvalidInputError for a name that several keys in use have.
        """
        named = [key for key in self.all() if name_or_id in (key.id, key.name)]
        if not named:
            raise NotFoundError(f"there is no key {name_or_id}")
        in_use = [key for key in named if key.revoked_at is None]
        if len(in_use) > 1:
            ids = ", ".join(key.id for key in in_use)
            raise InvalidInputError("key", f"key: several are called {name_or_id}; say which by its id: {ids}")
        if not in_use:
            return named[-1]
        revoked = in_use[0].model_copy(update={"revoked_at": now})
        self._put(revoked)
        return revoked

    def _put(self, key: ApiKey) -> None:
        self._storage.put(_object(key.id), key.model_dump_json().encode(), "application/json")


def _object(key_id: str) -> str:
    return f"{KEYS}{key_id}.json"
