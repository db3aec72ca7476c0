"""What an attempt gives to the engine, and what it keeps of the result. Runs on a task's own thread."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any, Protocol

import structlog
from PIL import Image
from torch import Tensor

from core.diffusion import hiper
from core.diffusion.backbone import Backbone
from core.diffusion.files import TailTensors, load_tail, load_tensors, save_tail, sha256_of, to_image, to_tensor
from core.diffusion.learning.fit import measure_fit
from core.diffusion.learning.sources import Source, beginning, encode
from core.diffusion.requests import Report, Routine
from core.diffusion.sampling import diffusers_scheduler
from core.diffusion.schedule import Schedule
from core.diffusion.side_by_side import side_by_side
from core.errors import InvalidInputError
from core.images import to_png
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.ids import job_of
from core.jobs.records import JobEnd, JobSpec, JobStatus, SourcePicture
from core.models.exactness import check_exact
from core.models.fit import Fit
from core.models.parameters import EditParams, PersonalizeParams
from core.models.sweeps import CELLS_AT_ONCE
from core.models.tail_file import FORMAT_VERSION, TailMetadata
from core.storage.base import ObjectMissingError, Storage
from worker.serving.ends.grid import labelled_grid
from worker.serving.ends.receipts import receipt

log = structlog.get_logger()


class Work(Protocol):
    """The work of one attempt at a job of some kind."""

    def routine(self) -> Routine[Any]:
        """Return the generator for the engine."""

    def keep(self, result: Any) -> JobEnd:
        """Write what came out under this attempt's keys, and return the end that names them."""


def work_for(attempt: Attempt, backbone: Backbone, claims: Claims) -> Work:
    """Return the work of an attempt on the backbone that its job was accepted for."""
    params = attempt.spec.personalize or attempt.spec.edit
    check_exact(wanted=params is not None and params.exact, device=backbone.device.type)
    if attempt.spec.imported:
        return ImportWork(attempt, claims)
    made = PersonalizeWork if attempt.spec.kind == "personalize" else EditWork
    return made(attempt, backbone, claims)


@dataclass(frozen=True)
class ImportWork:
    """Ends the import of a tail whose API died before it could: everything was checked and stored by then."""

    attempt: Attempt
    claims: Claims

    def routine(self) -> Routine[None]:
        """Return a routine that has nothing to do."""
        yield Report(1, 1)

    def keep(self, result: None) -> JobEnd:  # noqa: ARG002 - there is none
        """Name the file that was sent."""
        return JobEnd.of_import(self.attempt.spec, self.claims.store.clock.now(), attempt=self.attempt.number)


@dataclass(frozen=True)
class Learned:
    """What a personalization makes: the tail, and how well it explains the pictures, if that is known."""

    tail: TailTensors
    fit: Fit | None


@dataclass(frozen=True)
class PersonalizeWork:
    """Learns the tail of the accepted pictures."""

    attempt: Attempt
    backbone: Backbone
    claims: Claims

    def routine(self) -> Routine[Learned]:
        """Return the optimization, going on from an earlier attempt's checkpoint if there is one."""
        spec = self.attempt.spec
        if spec.personalize is None:
            raise InvalidInputError("personalize", f"{spec.id} has no parameters")
        sources = [Source(_picture(self._storage, each), each.prompt) for each in spec.pictures]
        return _learn(sources, spec.personalize, self.backbone.schedule, spec.seed, self._checkpoint())

    def _checkpoint(self) -> dict[str, Tensor] | None:
        """Return the state that an earlier attempt kept; one that can't be read is as good as none."""
        saved = self.claims.checkpoints.load(self.attempt)
        try:
            return load_tensors(saved) if saved else None
        except ValueError as error:
            log.warning("checkpoint.unreadable", job=self.attempt.spec.id, error=str(error))
            return None

    def keep(self, result: Learned) -> JobEnd:
        """Write the tail."""
        key = self.attempt.key("tail.safetensors")
        data = save_tail(result.tail, tail_metadata(self.attempt.spec, self.backbone.schedule))
        self._storage.put(key, data)
        now, digest = self.claims.store.clock.now(), sha256_of(result.tail.tail)
        named = {"tail_key": key, "output_bytes": len(data), "fit": result.fit}
        return _success(self.attempt, self.backbone, now, digest, **named)

    @property
    def _storage(self) -> Storage:
        return self.claims.store.storage


@dataclass
class EditWork:
    """Samples pictures with a tail. What happens to the tail after it was read changes nothing."""

    attempt: Attempt
    backbone: Backbone
    claims: Claims
    _sha256: tuple[str, ...] = ()

    def routine(self) -> Routine[list[Tensor]]:
        """Return the sampling."""
        spec = self.attempt.spec
        if spec.edit is None:
            raise InvalidInputError("edit", f"{spec.id} has no parameters")
        tails = [self._tail(*each) for each in zip_longest(spec.tail_ids, spec.tail_keys)]
        self._sha256 = tuple(sha256_of(tail.tail) for tail in tails)
        source = self._source() if spec.edit.strength is not None else None
        cells = spec.sweep.cells() if spec.sweep else [{}]
        edits = [self._sampling(spec, spec.edit, cell, tails, source) for cell in cells]
        return edits[0] if len(edits) == 1 else _flat(side_by_side(edits, at_once=CELLS_AT_ONCE))

    def _sampling(
        self, spec: JobSpec, edit: EditParams, cell: dict[str, Any], tails: list[TailTensors], source: Tensor | None
    ) -> Routine[list[Tensor]]:
        """Return the sampling of an edit, or of one `cell` of a sweep, which says what differs."""
        params = edit.model_copy(update={name: cell[name] for name in cell if name in EditParams.model_fields})
        scales = [params.tail_scale if use.scale is None else use.scale for use in spec.tails]
        first, *others = tails
        return hiper.edit(
            prompt=cell.get("prompt", spec.prompt),
            tail=first.tail,
            params=params.model_copy(update={"tail_scale": scales[0]}) if scales else params,
            schedule=self.backbone.schedule,
            latent_shape=self.backbone.latent_shape_of(params.width, params.height),
            seed=cell.get("seed", spec.seed),
            source_tail=first.source_tail,
            source_prompts=self._source_prompts(spec.tail_id, first),
            source=source,
            others=[
                hiper.OtherTail(tail.tail, scale, tail.source_tail, self._source_prompts(use.id, tail))
                for tail, scale, use in zip(others, scales[1:], spec.tails[1:], strict=True)
            ],
        )

    def keep(self, result: list[Tensor]) -> JobEnd:
        """Write the pictures as PNG files, of a sweep also all as one."""
        results = [self.attempt.key(f"{index}.png") for index in range(len(result))]
        pictures = [to_image(image) for image in result]
        size = sum(self._put(key, picture) for key, picture in zip(results, pictures, strict=True))
        named: dict[str, Any] = {"result_keys": tuple(results)}
        if sweep := self.attempt.spec.sweep:
            named["grid_key"] = self.attempt.key("grid.png")
            size += self._put(named["grid_key"], labelled_grid(sweep, pictures))
        named["output_bytes"] = size
        return _success(self.attempt, self.backbone, self.claims.store.clock.now(), *self._sha256, **named)

    def _put(self, key: str, picture: Image.Image) -> int:
        """Write a picture; returns its bytes."""
        data = to_png(picture)
        self._storage.put(key, data, "image/png")
        return len(data)

    def _tail(self, tail_id: str, key: str | None) -> TailTensors:
        """Return a tail; its file, if the edit says where it lies, is all that must be there, as deletion takes it."""
        if key:
            with suppress(ObjectMissingError):
                return self._read(tail_id, key)
        _, end = self.claims.store.tail_end(tail_id)
        if end is None or end.tail_key is None:
            raise InvalidInputError("tail_id", f"{tail_id} has no tail")
        return self._read(tail_id, end.tail_key)

    def _read(self, tail_id: str, key: str) -> TailTensors:
        return load_tail(self.claims.store.ready_tails.file(tail_id, key), width=self.backbone.width)

    def _source(self) -> Tensor:
        """Return the picture that sampling starts from: the edit's own, else the first of its tail."""
        spec = self.attempt.spec
        if spec.picture_key:
            return _picture(self._storage, spec.pictures[0])
        try:
            return _picture(self._storage, self._tail_spec(spec.tail_id).pictures[0])
        except ObjectMissingError:
            self.claims.store.tail_end(spec.tail_id)  # its deletion takes its pictures first: then it is gone
            raise

    def _source_prompts(self, tail_id: str, tail: TailTensors) -> Sequence[str]:
        """Return the prompts that a tail was learned with, if its file does not say where it began."""
        return () if tail.source_tail is not None else self._tail_spec(tail_id).source_prompts

    def _tail_spec(self, tail_id: str) -> JobSpec:
        return self.claims.store.spec(job_of(tail_id))

    @property
    def _storage(self) -> Storage:
        return self.claims.store.storage


def _flat(routine: Routine[list[list[Tensor]]]) -> Routine[list[Tensor]]:
    """Return the pictures of all cells in one list."""
    cells = yield from routine
    return [image for images in cells for image in images]


def _learn(
    sources: Sequence[Source],
    params: PersonalizeParams,
    schedule: Schedule,
    seed: int,
    checkpoint: dict[str, Tensor] | None,
) -> Routine[Learned]:
    """Learn a tail (n, D), measure it, and return it with the vectors that it began at."""
    encoded = yield from encode(sources, params, seed)
    tail: Tensor = yield from hiper.learn(
        sources=sources, encoded=encoded, params=params, schedule=schedule, seed=seed, checkpoint=checkpoint
    )
    fit = yield from measure_fit(sources=encoded, schedule=schedule, tail=tail)
    began = beginning([source.conditioning for source in encoded], tail.shape[0])
    return Learned(TailTensors(tail, began), fit)


def _picture(storage: Storage, picture: SourcePicture) -> Tensor:
    """Return a source picture (3, H, W) in -1..1; it was checked and fitted when the job was accepted."""
    return to_tensor(Image.open(io.BytesIO(storage.get(picture.key)), formats=["PNG"]).convert("RGB"))


def tail_metadata(spec: JobSpec, schedule: Schedule) -> TailMetadata:
    """Return what the file of a learned tail says of it."""
    told = {name: getattr(spec, name) for name in ("tail_id", "model", "model_hash", "prompt")}
    if spec.personalize:
        told["recipe"] = spec.personalize.recipe
    if usage := spec.tail_usage:
        scheduler, config = diffusers_scheduler(usage.sampler, schedule)
        told |= usage.model_dump(include=set(TailMetadata.model_fields))
        told |= {"scheduler": scheduler, "scheduler_config": json.dumps(config)}
    return TailMetadata(format_version=FORMAT_VERSION, **told)


def _success(
    attempt: Attempt, backbone: Backbone, now: datetime, tail_sha256: str, *others: str, **named: Any
) -> JobEnd:
    of = attempt.spec.personalize
    prior = backbone.prior_sha256 if of and of.beginning == "prior" else None
    device, dtype = str(backbone.device), str(backbone.dtype).removeprefix("torch.")
    return JobEnd(
        job_id=attempt.spec.id,
        status=JobStatus.SUCCEEDED,
        ended_at=now,
        attempt=attempt.number,
        receipt=receipt(
            attempt.spec,
            tail_sha256=tail_sha256,
            other_tails=others,
            prior_sha256=prior,
            device=device,
            dtype=dtype,
        ),
        **named,
    )
