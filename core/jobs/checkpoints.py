"""Checkpoints in storage: what an attempt keeps of its state for the next one."""

from __future__ import annotations

from core.jobs import keys
from core.jobs.attempts import Attempt
from core.storage.base import ObjectMissingError, Storage

LOAD_TRIES = 5


class Checkpoints:
    """Saves and loads the states of attempts; what storage cannot do raises StorageUnavailableError."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def save(self, attempt: Attempt, step: int, data: bytes) -> None:
        """Keep the state of an attempt after `step` steps; an older one of this attempt is deleted."""
        prefix = attempt.key("checkpoint-")
        self._storage.put(f"{prefix}{step:08d}.safetensors", data)
        for info in list(self._storage.list(prefix)):
            if not info.key.endswith(f"-{step:08d}.safetensors"):
                self._storage.delete(info.key)

    def load(self, attempt: Attempt) -> bytes | None:
        """Return the furthest state that the newest earlier attempt kept, or None.

        Not the furthest of all: an attempt that had to begin again could not go on from those before it.
        """
        for _ in range(LOAD_TRIES):
            found = [i.key for i in self._storage.list(keys.outputs(attempt.spec.id)) if "/checkpoint-" in i.key]
            furthest = max(found, default=None)  # the numbers in the keys are padded: attempt first, then step
            if furthest is None:
                return None
            try:
                return self._storage.get(furthest)
            except ObjectMissingError:  # an attempt that should be over has just replaced it by a newer one
                continue
        return None
