"""What stands in for the engine and the backbone of a worker: nothing is computed, a job sleeps as its id says."""

from __future__ import annotations

import heapq
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from core.diffusion.checkpoints.notes import Notes
from core.diffusion.files import TailTensors
from core.diffusion.requests import Report
from worker.engine import CancelReason, Ticket
from worker.engine.stats import EngineStats
from worker.serving.work import Learned

STEP_S = 0.5  # how often a sleeping personalization reports
WIDTH, POSITIONS, IMAGE_SIZE = 8, 5, 64
MODEL_HASH = "51ee9" * 12


def sleeping_job_id(seconds: float) -> str:
    """Return a fresh job id that says for how long the job is to sleep: its first eight digits are milliseconds."""
    return f"job_{round(seconds * 1000):08x}{secrets.token_hex(8)}"


def seconds_of(job_id: str) -> float:
    """Return how long a job is to sleep."""
    return int(job_id.removeprefix("job_")[:8], 16) / 1000


def sleeping_backbone(*_: object, **__: object) -> Any:
    """Return what a worker asks of a backbone that nothing is computed with."""
    return SimpleNamespace(
        name="critters",
        hash=MODEL_HASH,
        family="sd1",
        folder=Path("/nowhere"),
        notes=Notes(),
        words={},
        prior_positions=0,
        pixels_per_latent=8,
        image_size=IMAGE_SIZE,
        sequence_length=32,
        width=WIDTH,
        tokenizer_json=b"{}",
        memory_bytes=0,
        schedule=None,
        latent_shape_of=lambda *_: (4, 8, 8),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


@dataclass(order=True)
class _Sleeper:
    due: float
    ticket: Ticket[Any] = field(compare=False)
    began: float = field(compare=False, default=0.0)
    ends: float = field(compare=False, default=0.0)


class SleepingEngine:
    """An engine with the same face as the real one; one thread ends what has slept enough, and reports meanwhile."""

    def __init__(self, **_: object) -> None:
        self.prompts = SimpleNamespace(hits=0, misses=0)
        self.stopping = threading.Event()
        self._sleepers: list[_Sleeper] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)

    def is_stuck(self, _: float) -> bool:
        """Return False: who sleeps is not stuck."""
        return False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Hand everything back."""
        self.stopping.set()
        self._wake()

    def stats(self) -> EngineStats:
        """Return statistics in which nothing happened."""
        return EngineStats()

    def speeds(self) -> dict[str, dict[str, dict[int, float]]]:
        """Return nothing: no calls are made."""
        return {}

    def submit(self, routine: Any, *, kind: Any, name: str, **_: object) -> Ticket[Any]:
        """Take a routine, of which only the job's id counts."""
        routine.close()
        ticket: Ticket[Any] = Ticket(kind=kind, name=name, on_cancel=self._wake)
        now = time.monotonic()
        with self._changed:
            heapq.heappush(self._sleepers, _Sleeper(now, ticket, now, now + seconds_of(name)))
            self._changed.notify()
        return ticket

    def _wake(self) -> None:
        with self._changed:
            for sleeper in self._sleepers:
                if sleeper.ticket.cancel_reason or self.stopping.is_set():
                    sleeper.due = 0.0
            heapq.heapify(self._sleepers)
            self._changed.notify()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._sleepers))
                sleeper = self._sleepers[0]
                if (wait := sleeper.due - time.monotonic()) > 0:
                    self._changed.wait(wait)
                    continue
                heapq.heappop(self._sleepers)
            self._turn(sleeper)

    def _turn(self, sleeper: _Sleeper) -> None:
        ticket, now = sleeper.ticket, time.monotonic()
        if ticket.cancel_reason or self.stopping.is_set():
            ticket.fail((ticket.cancel_reason or CancelReason.HANDED_BACK).error(ticket.name))
        elif now >= sleeper.ends:
            ticket.succeed(_result(ticket.kind))
        else:
            ticket.report(_report(sleeper, now))
            sleeper.due = min(now + STEP_S, sleeper.ends)
            with self._changed:
                heapq.heappush(self._sleepers, sleeper)


def _result(kind: str) -> Any:
    if kind == "personalize":
        return Learned(TailTensors(torch.zeros(POSITIONS, WIDTH)), None)
    return [torch.zeros(3, IMAGE_SIZE, IMAGE_SIZE)]


def _report(sleeper: _Sleeper, now: float) -> Report:
    step, steps = (round(seconds / STEP_S) for seconds in (now - sleeper.began, sleeper.ends - sleeper.began))
    saved = {"tail": torch.zeros(POSITIONS, WIDTH)} if sleeper.ticket.kind == "personalize" else None
    return Report(step, max(1, steps), 0.1, saved)
