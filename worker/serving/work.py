"""What an attempt gives to the engine, and what it keeps of the result. Runs on a task's own thread."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from PIL import Image
from torch import Tensor

from core.diffusion import hiper
from core.diffusion.backbone import Backbone
from core.diffusion.files import load_tail, load_tensors, save_tensors, sha256_of, to_image, to_tensor
from core.diffusion.requests import Routine
from core.errors import InvalidInputError
from core.images import to_png
from core.jobs import keys
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.storage.base import Storage
from worker.serving.receipts import receipt

log = structlog.get_logger()


class Work(Protocol):
    """The work of one attempt at a job of some kind."""

    def routine(self) -> Routine[Any]:
        """Return the generator for the engine."""

    def keep(self, result: Any) -> JobEnd:
        """Write what came out under this attempt's keys, and return the end that names them."""


def work_for(attempt: Attempt, backbone: Backbone, claims: Claims) -> Work:
    """Return the work of an attempt on the backbone that its job was accepted for."""
    made = PersonalizeWork if attempt.spec.kind == "personalize" else EditWork
    return made(attempt, backbone, claims)


@dataclass(frozen=True)
class PersonalizeWork:
    """Learns the tail of the accepted picture."""

    attempt: Attempt
    backbone: Backbone
    claims: Claims

    def routine(self) -> Routine[Tensor]:
        """Return the optimization, going on from an earlier attempt's checkpoint if there is one."""
        spec = self.attempt.spec
        if spec.personalize is None:
            raise InvalidInputError("personalize", f"{spec.id} has no parameters")
        return hiper.personalize(
            image=_picture(self._storage, spec),
            prompt=spec.prompt,
            params=spec.personalize,
            schedule=self.backbone.schedule,
            seed=spec.seed,
            checkpoint=self._checkpoint(),
        )

    def _checkpoint(self) -> dict[str, Tensor] | None:
        """Return the state that an earlier attempt kept; one that can't be read is as good as none."""
        saved = self.claims.checkpoints.load(self.attempt)
        try:
            return load_tensors(saved) if saved else None
        except ValueError as error:
            log.warning("checkpoint.unreadable", job=self.attempt.spec.id, error=str(error))
            return None

    def keep(self, result: Tensor) -> JobEnd:
        """Write the tail."""
        spec, key = self.attempt.spec, self.attempt.key("tail.safetensors")
        metadata = {"tail_id": spec.tail_id, "model": spec.model, "model_hash": spec.model_hash, "prompt": spec.prompt}
        self._storage.put(key, save_tensors({"tail": result}, metadata))
        return _success(self.attempt, self.backbone, self.claims.store.clock.now(), sha256_of(result), tail_key=key)

    @property
    def _storage(self) -> Storage:
        return self.claims.store.storage


@dataclass
class EditWork:
    """Samples pictures with a tail. What happens to the tail after it was read changes nothing."""

    attempt: Attempt
    backbone: Backbone
    claims: Claims
    _tail_sha256: str = ""

    def routine(self) -> Routine[list[Tensor]]:
        """Return the sampling."""
        spec = self.attempt.spec
        if spec.edit is None:
            raise InvalidInputError("edit", f"{spec.id} has no parameters")
        tail = self._tail()
        self._tail_sha256 = sha256_of(tail)
        return hiper.edit(
            prompt=spec.prompt,
            tail=tail,
            params=spec.edit,
            schedule=self.backbone.schedule,
            latent_shape=self.backbone.latent_shape,
            seed=spec.seed,
            source_prompt=self._tail_spec().prompt,
            source=_picture(self._storage, self._tail_spec()) if spec.edit.strength is not None else None,
        )

    def keep(self, result: list[Tensor]) -> JobEnd:
        """Write the pictures as PNG files."""
        results = [self.attempt.key(f"{index}.png") for index in range(len(result))]
        for key, image in zip(results, result, strict=True):
            self._storage.put(key, to_png(to_image(image)), "image/png")
        now = self.claims.store.clock.now()
        return _success(self.attempt, self.backbone, now, self._tail_sha256, result_keys=tuple(results))

    def _tail(self) -> Tensor:
        _, end = self.claims.store.tail_end(self.attempt.spec.tail_id)
        if end is None or end.tail_key is None:
            raise InvalidInputError("tail_id", f"{self.attempt.spec.tail_id} has no tail")
        return load_tail(self._storage.get(end.tail_key), width=self.backbone.width)

    def _tail_spec(self) -> JobSpec:
        return self.claims.store.spec(self.attempt.spec.tail_job)

    @property
    def _storage(self) -> Storage:
        return self.claims.store.storage


def _picture(storage: Storage, spec: JobSpec) -> Tensor:
    """Return the source picture (3, H, W) in -1..1; it was checked and fitted when the job was accepted."""
    key = spec.picture_key or keys.picture(spec.id, "")
    return to_tensor(Image.open(io.BytesIO(storage.get(key)), formats=["PNG"]).convert("RGB"))


def _success(attempt: Attempt, backbone: Backbone, now: datetime, tail_sha256: str, **named: Any) -> JobEnd:
    device, dtype = str(backbone.device), str(backbone.dtype).removeprefix("torch.")
    return JobEnd(
        job_id=attempt.spec.id,
        status=JobStatus.SUCCEEDED,
        ended_at=now,
        attempt=attempt.number,
        receipt=receipt(attempt.spec, tail_sha256=tail_sha256, device=device, dtype=dtype),
        **named,
    )
