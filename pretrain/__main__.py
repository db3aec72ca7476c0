"""`python -m pretrain`: the command line."""

import argparse
import sys
from pathlib import Path

from pretrain import stages
from pretrain.training.parallel import has_bfloat16, settle
from pretrain.worlds import WORLDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pretrain", description="Draw, train, judge and export the model.")
    parser.add_argument("stage", choices=sorted(stages.STAGES), help="which stage; `all` runs them one after the other")
    parser.add_argument("--work", type=Path, default=Path("build/pretrain"), help="where pictures and checkpoints lie")
    parser.add_argument("--world", default="critters", choices=sorted(WORLDS), help="what `draw` and `sheet` draw")
    parser.add_argument("--minutes", type=float, help="stop training after so long (each stage has its own default)")
    parser.add_argument("--steps", type=int, help="train up to so many steps instead")
    parser.add_argument("--anneal", type=float, default=0.3, help="share of the training in which the rate falls to 0")
    parser.add_argument("--rate", type=float, default=8e-4, help="learning rate of the UNet")
    parser.add_argument("--pictures", type=int, default=40_000, help="how many to draw for training")
    parser.add_argument("--processes", type=int, default=2, help="that share the work")
    parser.add_argument("--threads", type=int, default=1, help="of each process that trains the UNet")
    parser.add_argument("--bfloat16", action="store_true", help="compute in it; needs a CPU that has it to be faster")
    parser.add_argument("--judge", default="ab", choices=["a", "b", "ab"], help="which judges of the menagerie")
    parser.add_argument("--out", type=Path, default=Path("models/critters"), help="the model's folder")
    parser.add_argument("--count", type=int, default=540, help="how many prompts to evaluate, pictures to show")
    parser.add_argument("--split", default="development", choices=["pretraining", "development", "test"])
    return parser


def main() -> None:
    """Run one stage of making the embedded model, or all of them."""
    options = _parser().parse_args()
    if options.minutes is not None and options.steps is not None:
        raise SystemExit("--minutes and --steps exclude each other")
    settle()
    if options.bfloat16 and not has_bfloat16():
        print("--bfloat16: this CPU has to imitate it, and is several times faster without", file=sys.stderr)
    stages.STAGES[options.stage](options)


if __name__ == "__main__":
    main()
