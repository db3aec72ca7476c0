"""Trains the zero-shot adapter on pretraining individuals; what lies in its folder is taken up.

`python -m bench.rivals.adapter --minutes 10 --out build/rivals/adapter-critters.safetensors`
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.rivals.adapter.training import draw_individuals, train_adapter
from bench.trials.studio import CRITTERS
from core.diffusion.backbone import load_backbone
from pretrain.training.parallel import run_parallel
from pretrain.training.trainer import Budget
from pretrain.worlds import WORLDS


def train(model: Path, world: str, counts: tuple[int, int], budget: Budget, out: Path) -> None:
    """Draw individuals, so many to train on and so many to look at, and train."""
    individuals, held_out = counts
    backbone = load_backbone(str(model), name="bench")
    found = draw_individuals(backbone, WORLDS[world], individuals + held_out, out.parent)
    train_adapter(backbone, found, held_out, budget, out)


def main() -> None:
    """Train for some minutes or steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="critters", choices=sorted(WORLDS))
    parser.add_argument("--model", type=Path, help="its folder; without it the world's own")
    parser.add_argument("--individuals", type=int, default=5000)
    parser.add_argument("--held-out", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--steps", type=int, help="in place of minutes")
    parser.add_argument("--out", type=Path, help="the adapter's file; what it is taken up from lies beside it")
    options = parser.parse_args()
    out = options.out or Path("build/rivals") / f"adapter-{options.world}.safetensors"
    budget = Budget(steps=options.steps, minutes=None if options.steps else options.minutes)
    model = options.model or CRITTERS.with_name(options.world)
    counts = options.individuals, options.held_out
    run_parallel(train, 1, model, options.world, counts, budget, out)


if __name__ == "__main__":
    main()
