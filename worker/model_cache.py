"""The shared model cache: each backbone is loaded once for all threads."""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.checkpoints.errors import ModelTooLargeError
from core.errors import NotFoundError


@dataclass(frozen=True)
class ModelStats:
    """What a cache has done: uses that found the model loaded (or loading) or not, loads, failed loads, evictions."""

    hits: int = 0
    misses: int = 0
    loads: int = 0
    failed_loads: int = 0
    evictions: int = 0
    memory_bytes: int = 0


@dataclass
class _Entry:
    backbone: Future[Backbone] = field(default_factory=Future)
    memory_bytes: int = 0
    users: int = 0
    loaded: bool = False


def load_default(location: str, name: str) -> Backbone:
    """Load a backbone on the device and in the number type that suit the machine."""
    return load_backbone(location, name=name)


class ModelCache:
    """The backbones that the threads of a process share: each is loaded once, however many ask for it at once.

    When the loaded ones take more than `budget_bytes` (None: no limit), those used least recently leave, but never one
    in use, nor the one used last: a budget smaller than a model keeps that one model.
    """

    def __init__(
        self,
        locations: Mapping[str, str],
        *,
        budget_bytes: int | None = None,
        load: Callable[[str, str], Backbone] = load_default,
    ) -> None:
        """`locations` says by model name what `load(location, name)` gets: a folder or a hub name."""
        self.locations = dict(locations)
        self._budget_bytes = budget_bytes
        self._load = load
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the one used last stands last
        self._lock = threading.Lock()
        self._stats = ModelStats()
        self._load_s: dict[str, float] = {}

    @contextmanager
    def use(self, name: str) -> Iterator[Backbone]:
        """Give a backbone, loaded if need be, and keep it from leaving meanwhile.

        Raises NotFoundError for a name without a location. What a load raises reaches everyone who waited for it; the
        next use tries again.
        """
        entry, is_new = self._enter(name)
        try:
            if is_new:
                self._fill(name, entry)
            yield entry.backbone.result()
        finally:
            self._leave(entry)

    def stats(self) -> ModelStats:
        """Return the counters, and the bytes that the loaded weights take."""
        with self._lock:
            return replace(self._stats, memory_bytes=self._memory_bytes())

    def loading(self, name: str) -> tuple[float, bool]:
        """Return how long a backbone took to load the last time (0 if it never was), and whether it is loaded now."""
        with self._lock:
            entry = self._entries.get(name)
            return self._load_s.get(name, 0.0), entry is not None and entry.loaded

    def _enter(self, name: str) -> tuple[_Entry, bool]:
        """Return a name's entry with this user counted, and whether it is new and so to be loaded by this user."""
        if name not in self.locations:
            raise NotFoundError(f"model is {name!r}; it must be one of {', '.join(sorted(self.locations))}")
        with self._lock:
            is_new = name not in self._entries
            self._count(hits=not is_new, misses=is_new)
            entry = self._entries.setdefault(name, _Entry())
            self._entries.move_to_end(name)
            entry.users += 1
        return entry, is_new

    def _fill(self, name: str, entry: _Entry) -> None:
        """Load the backbone into its entry, or forget the entry and tell all who wait for it."""
        began = time.monotonic()
        try:
            backbone = self._load_making_room(name)
            memory_bytes = backbone.memory_bytes
        except BaseException as error:
            with self._lock:
                del self._entries[name]
                self._count(failed_loads=1)
            entry.backbone.set_exception(error)
            return
        with self._lock:
            entry.memory_bytes, entry.loaded = memory_bytes, True
            self._load_s[name] = time.monotonic() - began
            self._count(loads=1)
            self._evict()
        entry.backbone.set_result(backbone)

    def _load_making_room(self, name: str) -> Backbone:
        """Load a backbone; one that doesn't fit is tried once more after all that nobody uses has left."""
        try:
            return self._load(self.locations[name], name)
        except ModelTooLargeError:
            if not self._drop_unused():
                raise
        return self._load(self.locations[name], name)

    def _drop_unused(self) -> bool:
        """Drop every entry that nobody uses, and tell whether there was one."""
        with self._lock:
            unused = [name for name, entry in self._entries.items() if entry.users == 0]
            for name in unused:
                self._drop(name)
        return bool(unused)

    def _drop(self, name: str) -> None:
        """Let an entry go; the lock is held."""
        del self._entries[name]
        self._count(evictions=1)
        gc.collect()  # a module may hang in cycles
        torch.cuda.empty_cache()

    def _leave(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            self._evict()

    def _evict(self) -> None:
        """Drop unused entries from the oldest on until the rest fits; the lock is held."""
        if self._budget_bytes is None:
            return
        for name, entry in list(self._entries.items())[:-1]:
            if self._memory_bytes() <= self._budget_bytes:
                return
            if entry.users == 0:
                self._drop(name)

    def _memory_bytes(self) -> int:
        return sum(entry.memory_bytes for entry in self._entries.values())

    def _count(self, **more: int) -> None:
        """Raise counters; the lock is held."""
        self._stats = replace(self._stats, **{name: getattr(self._stats, name) + by for name, by in more.items()})
