"""What an attempt tells of itself is JSON, whatever the numbers were; a checkpoint that can't be read is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from core.diffusion.files import load_tensors, save_tensors
from core.diffusion.requests import Report
from core.live.names import events_key
from tests.support.job_life import Life
from tests.support.redis_server import redis_server
from worker.serving import progress as progress_module
from worker.serving.progress import Progress
from worker.serving.work import PersonalizeWork


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url)


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def events(life: Life, job_id: str) -> list[dict[str, Any]]:
    entries: Any = life.live.client.xrange(events_key(job_id))
    return [json.loads(fields["data"], parse_constant=no_constant) for _, fields in entries]


def test_progress_that_is_no_number_reaches_neither_the_record_nor_the_events(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    fields = {"step": 1, "steps": 9, "loss": float("nan"), "eta_s": float("inf")}

    life.live.records.progress(spec.id, attempt.number, fields)

    record = life.live.records.read(spec)
    assert record is not None
    assert (record.step, record.steps, record.loss) == (1, 9, None)
    told = [event for event in events(life, spec.id) if "step" in event]
    assert told == [{"step": 1, "steps": 9, "attempt": attempt.number}]


def test_a_step_without_a_loss_leaves_the_smoothed_loss_as_it_was(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    progress = Progress(attempt, life.claims(), checkpoint_s=60)
    for report in (Report(1, 3, 0.5), Report(2, 3, None), Report(3, 3, None)):
        progress.note(report)
    record = life.live.records.read(spec)
    assert record is not None
    assert (record.step, record.loss) == (3, 0.5)


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda _: b"", lambda _: b"\xff" * 40])
def test_a_checkpoint_that_can_not_be_read_is_as_good_as_none(life: Life, damage: Any) -> None:
    life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    claims, whole = life.claims(), save_tensors({"tail": torch.ones(2, 3)})
    work = PersonalizeWork(attempt, None, claims)  # type: ignore[arg-type]  # its backbone is not asked here
    claims.checkpoints.save(attempt, 3, whole)
    assert work._checkpoint() is not None
    claims.checkpoints.save(attempt, 3, damage(whole))
    assert work._checkpoint() is None


def test_bytes_that_are_no_tensors_are_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="no safetensors file"):
        load_tensors(b"hello")


def test_a_quick_job_is_checkpointed_after_each_sixteenth_of_its_steps(life: Life) -> None:
    life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    progress = Progress(attempt, life.claims(), checkpoint_s=3600)
    kept: list[int] = []
    for step in range(41, 161):  # this attempt goes on from step 40
        progress.note(Report(step, 160, 0.5, {"step": torch.tensor(step)}))
        found = [info.key for info in life.storage.list(attempt.key("checkpoint-"))]
        assert len(found) <= 1
        kept += [int(load_tensors(life.storage.get(key))["step"]) for key in found]

    assert sorted(set(kept)) == list(range(50, 160, 10))


def test_the_first_step_began_as_long_before_its_report_as_steps_take(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    progress = Progress(attempt, life.claims(), checkpoint_s=60)
    assert progress.steps() is None
    for step in (5, 6, 7):  # it goes on from a checkpoint
        progress.note(Report(step, 9, 0.5))
        assert progress.steps() == (None if step == 5 else (98.0, now[0]))
        now[0] += 2
