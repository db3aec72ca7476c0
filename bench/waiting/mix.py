"""A mix of jobs as people send them: several owners, tails with edits in the same call, edits, sweeps, in bursts."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import httpx

from cli.demo import SOURCE_PROMPT
from cli.parts import demo_picture

PROMPTS = ("a sitting dog", "a dog in the snow", "an oil painting of a jumping dog", "a dog on the beach at night")
STEPS = (30, 30, 30, 100, 300)
SWEEP = {"tail_scale": [0.7, 1.0, 1.3], "guidance_scale": [2.0, 4.0]}


@dataclass(frozen=True)
class Request:
    """Something to send so many seconds after the beginning, by one of the owners."""

    at: float
    owner: int
    kind: str
    fields: dict[str, Any]


def drawn(jobs: int, owners: int, span_s: float, seed: int) -> list[Request]:
    """Draw so many requests; half of them come in bursts, so that a queue builds up and goes down again."""
    rng = random.Random(seed)
    bursts = [rng.uniform(0, span_s) for _ in range(max(1, jobs // 15))]
    requests = []
    for _ in range(jobs):
        at = rng.choice(bursts) + rng.uniform(0, 3) if rng.random() < 0.5 else rng.uniform(0, span_s)
        kind = rng.choices(("personalize", "whole", "edit", "sweep"), (3, 3, 5, 1))[0]
        requests.append(Request(at, rng.randrange(owners), kind, _fields(kind, rng)))
    return sorted(requests, key=lambda request: request.at)


def _fields(kind: str, rng: random.Random) -> dict[str, Any]:
    edit = {"prompt": rng.choice(PROMPTS), "num_images": rng.choice((1, 1, 2, 4)), "seed": rng.randrange(2**31)}
    if kind == "edit":
        return edit
    if kind == "sweep":
        return {"prompt": rng.choice(PROMPTS), "sweep": SWEEP}
    learning: dict[str, Any] = {"prompt": SOURCE_PROMPT, "steps": rng.choice(STEPS), "seed": rng.randrange(2**31)}
    if kind == "whole":
        learning["edits"] = json.dumps([edit | {"seed": n} for n in range(rng.choice((1, 2, 3)))])
    return learning


def send(client: httpx.Client, request: Request, tail_id: str) -> list[str]:
    """Send it; return the ids of the jobs that it made."""
    if request.kind in ("personalize", "whole"):
        picture = {"picture": demo_picture().read_bytes()}
        answer = client.post("/personalize", data=request.fields, files=picture)
    else:
        answer = client.post("/edit", json={"tail_id": tail_id} | request.fields)
    answer.raise_for_status()
    job = answer.json()
    return [job["id"], *(edit["id"] for edit in job["edits"])]
