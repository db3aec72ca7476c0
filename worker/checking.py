"""Checks a model without a server, for `tailor models add`: `python -m worker.checking NAME LOCATION`.

Says what it is, what it lacks and what memory it takes, loads it and makes one step. Exit codes: 0 it works; 1 it
doesn't, and the last line says why.
"""

from __future__ import annotations

import resource
import sys
import time

import torch

from core.config import Settings
from core.diffusion.backbone import Backbone, load_backbone
from core.diffusion.stack import stack_conditioning
from core.errors import TailorError


def main() -> int:
    """Check the model that the command line names."""
    name, location = sys.argv[1:3]
    settings = Settings()
    try:
        backbone = load_backbone(
            location,
            name=name,
            device=settings.device,
            dtype=settings.dtype,
            told=lambda plan: _say(*plan.lines()),
        )
        _say(
            f"prompts of {backbone.sequence_length} tokens, {backbone.width} wide"
            + (f", with the words {', '.join(backbone.words)}" if backbone.words else ""),
            one_step(backbone),
        )
    except TailorError as error:
        print(error.detail, file=sys.stderr, flush=True)  # noqa: T201 - what it is there for
        return 1
    return 0


def one_step(backbone: Backbone) -> str:
    """Make one step of an edit and say how long it took; TailorError when its numbers are not finite."""
    started = time.perf_counter()
    rows = stack_conditioning(backbone.encode_prompt(["a dog"]))
    latents = torch.randn(1, *backbone.latent_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        predicted = backbone.predict(latents, torch.tensor([500]), rows).cpu()
    if not bool(predicted.isfinite().all()):
        raise TailorError(f"one step gave numbers that are not finite in {backbone.dtype}: try TAILOR_DTYPE=float32")
    return (
        f"one step: {time.perf_counter() - started:.1f} s on {backbone.device}; peak {_peak(backbone.device):.2f} GiB"
    )


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201 - what it is there for


if __name__ == "__main__":
    sys.exit(main())
