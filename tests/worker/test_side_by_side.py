"""Routines side by side ask together, and each gets its own answers."""

from __future__ import annotations

from typing import Any

import torch

from core.diffusion.requests import EncodePrompt, Report, Request, Routine
from core.diffusion.side_by_side import side_by_side
from tests.support.routines import edit, naive_edit
from worker.engine import Engine


def asking(name: str, steps: int) -> Routine[list[object]]:
    heard: list[object] = []
    for step in range(steps):
        if step % 2:
            heard += yield (EncodePrompt(f"{name}{step}a"), EncodePrompt(f"{name}{step}b"))
        else:
            heard.append((yield EncodePrompt(f"{name}{step}")))
        yield Report(step + 1, steps)
    return heard


def driven(routine: Routine[list[list[object]]]) -> tuple[list[list[object]], list[list[str]], list[tuple[int, int]]]:
    """Answer each request with its own text; return the results, what was asked together, and the reports."""
    calls, reports, answer = [], [], None
    while True:
        try:
            asked = routine.send(answer)
        except StopIteration as done:
            return done.value, calls, reports
        if isinstance(asked, Report):
            reports.append((asked.step, asked.steps))
            answer = None
            continue
        requests: tuple[Request, ...] = asked if isinstance(asked, tuple) else (asked,)
        calls.append([request.text for request in requests if isinstance(request, EncodePrompt)])
        answer = tuple(calls[-1])


def test_they_ask_together_and_get_their_own_answers() -> None:
    results, calls, reports = driven(side_by_side([asking("x", 2), asking("y", 2)], at_once=8))

    assert calls == [["x0", "y0"], ["x1a", "x1b", "y1a", "y1b"]]
    assert results == [["x0", "x1a", "x1b"], ["y0", "y1a", "y1b"]]
    assert reports == [(2, 4), (4, 4)]


def test_no_more_than_so_many_run_at_once_and_one_that_ends_early_keeps_nobody() -> None:
    results, calls, reports = driven(side_by_side([asking("x", 1), asking("y", 2), asking("z", 2)], at_once=2))

    assert calls == [["x0", "y0"], ["y1a", "y1b"], ["z0"], ["z1a", "z1b"]]
    assert [len(result) for result in results] == [1, 3, 3]
    assert reports[-1] == (6, 6)


def test_a_routine_that_asks_for_nothing_has_its_result_at_once() -> None:
    results, calls, _ = driven(side_by_side([asking("x", 0)], at_once=2))

    assert (results, calls) == ([[]], [])


def test_in_the_engine_they_share_calls_and_each_is_as_if_alone(engine: Engine, backbone: Any) -> None:
    edits = [edit(f"a dog number {seed}", seed) for seed in range(4)]

    ticket = engine.submit(side_by_side(edits, at_once=4), backbone=backbone, kind="edit", name="sweep")

    for seed, latents in enumerate(ticket.result(30)):
        expected = naive_edit(backbone, f"a dog number {seed}", seed)
        torch.testing.assert_close(latents, expected, rtol=0, atol=1e-9)
    assert [size for method, size in backbone.calls if method == "predict"] == [8, 8, 8, 8]
