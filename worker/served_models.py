"""The models that this worker serves: those that it has loaded once, by the hash of their weights."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from core.diffusion.backbone import Backbone
from core.errors import TailorError
from core.jobs.records import JobSpec
from worker.model_cache import ModelCache


class ModelLostError(TailorError):
    """A model that was served can't be loaded again, or has other weights now: this machine's fault, no job's."""

    status, type, title = 503, "model-lost", "Model lost"


class ServedModels:
    """Names and hashes of what was loaded and published; jobs of nothing else are taken."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache
        self._hashes: dict[str, str] = {}
        self._prior_positions: dict[str, int] = {}  # by hash
        self._lock = threading.Lock()

    def add(self, name: str, model_hash: str, *, prior_positions: int = 0) -> None:
        """Serve a model from now on, with a tail prior of so many positions (0: without one)."""
        with self._lock:
            self._hashes[name] = model_hash
            self._prior_positions[model_hash] = prior_positions

    def can(self, spec: JobSpec) -> bool:
        """Tell whether a job of a served model can be done here: the tail prior is no part of the weights' hash."""
        if not spec.prior_positions:
            return True
        with self._lock:
            return self._prior_positions.get(spec.model_hash, 0) == spec.prior_positions

    def priors(self) -> dict[str, int]:
        """Return by hash how many positions the tail prior of each served model has; 0: none."""
        with self._lock:
            return dict(self._prior_positions)

    def hashes(self) -> dict[str, str]:
        """Return the hash of each served model, by name."""
        with self._lock:
            return dict(self._hashes)

    def loading(self) -> dict[str, tuple[float, bool]]:
        """Return by hash how many seconds each served model took to load, and whether it is in memory now."""
        return {model_hash: self._cache.loading(name) for name, model_hash in self.hashes().items()}

    @contextmanager
    def use(self, model_hash: str) -> Iterator[Backbone]:
        """Give the backbone with these weights, loaded if need be. Raises ModelLostError."""
        name = next((name for name, found in self.hashes().items() if found == model_hash), None)
        if name is None:
            raise ModelLostError(f"model {model_hash[:12]} is not served here")
        with ExitStack() as stack:
            try:
                backbone = stack.enter_context(self._cache.use(name))
            except Exception as error:
                raise ModelLostError(f"model {name} can't be loaded: {error}") from error
            if backbone.hash != model_hash:
                raise ModelLostError(f"model {name} was {model_hash[:12]} and is {backbone.hash[:12]} now")
            had = self._prior_positions[model_hash]
            if backbone.prior_positions != had:
                raise ModelLostError(f"model {name} had a tail prior of {had} positions, and it is another one now")
            yield backbone
