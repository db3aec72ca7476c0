"""An edit that has its tail keeps it: what happens to the tail afterwards fails no finished edit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.config import Settings
from core.diffusion.backbone import Backbone
from core.diffusion.files import save_tensors, sha256_of
from core.errors import GoneError
from core.jobs import keys
from core.jobs.ids import new_job_id
from core.jobs.records import JobSpec, JobStatus
from core.models.parameters import EditParams
from tests.support.checkpoints import tiny_float64_backbone
from tests.support.interrupted_storage import Point, stopped_at
from tests.support.job_life import LONG_LEASE_S, MODEL_HASH, Life
from tests.support.redis_server import redis_server
from worker.engine import Engine
from worker.model_cache import ModelCache
from worker.served_models import ServedModels
from worker.serving.runner import Runner
from worker.serving.seat import NoSeat
from worker.serving.work import EditWork

POSITIONS = 5


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url, lease_s=LONG_LEASE_S)


@pytest.fixture(scope="module")
def exact() -> Backbone:
    backbone: Any = tiny_float64_backbone()
    backbone.hash = MODEL_HASH
    return backbone  # type: ignore[no-any-return]


def worker(life: Life, engine: Engine, backbone: Backbone) -> Runner:
    models = ServedModels(ModelCache({"critters": "/"}, load=lambda *_: backbone))
    models.add("critters", MODEL_HASH)
    settings = Settings(_env_file=None, personalize_slots=1, edit_slots=1)
    return Runner(settings, life.claims("w1"), engine, models, seat=NoSeat())


def learned(life: Life, backbone: Backbone) -> tuple[JobSpec, str, torch.Tensor]:
    """Return a personalization that has ended well, its tail's key, and the tail."""
    job_id = new_job_id()
    source = life.personalization(id=job_id, prompt="the dog", picture_key=keys.picture(job_id, "5ad0" * 16))
    life.store.accept(source, dict.fromkeys(source.input_keys, b"a picture"))
    life.store.announce(source)
    attempt = life.claims().take("personalize")
    assert attempt is not None
    tail = torch.randn(POSITIONS, backbone.width, generator=torch.Generator().manual_seed(1))
    success = life.success(attempt)
    assert success.tail_key is not None
    life.storage.put(success.tail_key, save_tensors({"tail": tail}))
    life.store.finish(source, success)
    return source, success.tail_key, tail


@pytest.mark.parametrize("knows_its_tail", [True, False])
def test_an_edit_whose_tail_is_deleted_before_it_begins_fails_as_it_is_gone(
    life: Life, engine: Engine, exact: Backbone, knows_its_tail: bool
) -> None:
    source, key, _ = learned(life, exact)
    known: dict[str, Any] = {"tail_keys": (key,)} if knows_its_tail else {}
    edit = life.accept(life.edit(source, edit=EditParams(num_inference_steps=2), **known))

    life.process().store.deletion.tail(source.tail_id)
    worker(life, engine, exact).work("edit")

    state = life.store.state(edit.id)
    assert state.end is not None
    assert state.end.error is not None
    assert (state.status, state.end.error.type) == (JobStatus.FAILED, "gone")


def test_an_edit_that_starts_from_its_tails_picture_while_that_is_being_deleted_fails_as_it_is_gone(
    life: Life, engine: Engine, exact: Backbone
) -> None:
    """The picture goes before the tail: it was missing, which was told as an internal error."""
    source, key, _ = learned(life, exact)
    edit = life.accept(life.edit(source, edit=EditParams(num_inference_steps=2, strength=1.0), tail_keys=(key,)))

    with stopped_at(life, Point("delete", "/input-", after=True), lambda own: own.store.deletion.tail(source.tail_id)):
        worker(life, engine, exact).work("edit")

    state = life.process().store.state(edit.id)
    assert state.end is not None
    assert state.end.error is not None
    assert (state.status, state.end.error.type) == (JobStatus.FAILED, "gone")


def test_an_edit_whose_tail_is_deleted_between_its_last_step_and_its_end_succeeds(
    life: Life, engine: Engine, exact: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _, tail = learned(life, exact)
    edit = life.accept(life.edit(source, prompt="a dog", edit=EditParams(num_inference_steps=2, num_images=2)))
    last_step_done, deleted = threading.Event(), threading.Event()
    keep = EditWork.keep

    def keep_later(work: EditWork, result: Any) -> Any:
        last_step_done.set()
        assert deleted.wait(60)
        return keep(work, result)

    monkeypatch.setattr(EditWork, "keep", keep_later)
    runner = worker(life, engine, exact)
    thread = threading.Thread(target=runner.work, args=["edit"])
    thread.start()
    assert last_step_done.wait(60)

    life.process().store.deletion.tail(source.tail_id)
    deleted.set()
    thread.join(60)

    state = life.store.state(edit.id)
    assert state.status is JobStatus.SUCCEEDED, state.end
    assert state.end is not None
    assert len({life.storage.get(key) for key in state.end.result_keys}) == 2
    assert state.end.receipt is not None
    assert state.end.receipt["tail_sha256"] == sha256_of(tail)
    with pytest.raises(GoneError):
        life.process().store.state(source.id)
