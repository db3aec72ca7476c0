"""What is needed to make a result again."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from core.jobs.records import JobSpec
from core.version import tailor_version

# What a result depends on. Read when a worker starts: one that lacks a part must not come up and fail every job.
VERSIONS = {"tailor": tailor_version()} | {name: version(name) for name in ("torch", "diffusers", "transformers")}


def receipt(
    spec: JobSpec,
    *,
    tail_sha256: str,
    device: str,
    dtype: str,
    other_tails: Sequence[str] = (),
    prior_sha256: str | None = None,
) -> dict[str, Any]:
    """Return what is needed to make a result again; `request` can be posted as it is, a tail's with its pictures.

    `prior_sha256` is that of the prior which a tail began at, as it is no part of the model's hash.
    Of an edit with several tails, `other_tails` are the SHA-256 of those beside the first.
    """
    chosen = spec.personalize or spec.edit
    params = chosen.model_dump(exclude_none=True) if chosen else {}
    prompts = list(spec.source_prompts)
    request = {
        "prompt": prompts if len(set(prompts)) > 1 else spec.prompt,
        "model": spec.model,
        "seed": spec.seed,
        **params,
    }
    if spec.kind == "edit":
        request |= {"tails": [use.model_dump() for use in spec.tails]} if spec.tails else {"tail_id": spec.tail_id}
        request |= {"sweep": spec.sweep.model_dump(exclude_none=True, mode="json")} if spec.sweep else {}
    return {
        "request": request,
        "model_hash": spec.model_hash,
        "tail_id": spec.tail_id,
        "tail_sha256": tail_sha256,
        **({"other_tails_sha256": list(other_tails)} if other_tails else {}),
        **({"prior_sha256": prior_sha256} if prior_sha256 else {}),
        "device": device,
        "dtype": dtype,
        "versions": VERSIONS,
    }
