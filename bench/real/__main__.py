"""The field on a real Stable Diffusion: how near its edits of photographs are to their prompts and their subjects.

`python -m bench.real --model FOLDER --subjects FOLDER --clip FOLDER --dino FOLDER` learns every subject with every
method and draws what its `subject.json` asks for. Nothing is fetched: the model, a CLIP (the papers': ViT-B/32 or
ViT-L/14) and a DINO (ViT-S/16) are local folders in diffusers' and transformers' layout. What was made before is taken
up from `--keep`, where the pictures lie, too.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.cores import CORES, leave_the_cores
from bench.real.figures import differences, hundredths, likenesses, text_scores
from bench.real.metrics import Clip, Dino
from bench.real.runs import Made, make
from bench.real.subjects import Photographed, read_subjects, square
from bench.report import show, write
from bench.rivals.lines import Entry, read_entry
from bench.rivals.method import Stage
from bench.rivals.table import of_bytes, of_seconds
from bench.trials.scoring import Share
from bench.trials.studio import Studio
from core.diffusion.backbone import load_backbone
from core.models.recipes import recipes_for

FIELD = ["fast", "paper", "plain", "sdedit", "inversion", "dreambooth", "lora", "imagic start=source", "imagic"]
FIGURES = ("text", "clip", "dino")


@dataclass(frozen=True)
class Result:
    """A method over all subjects: figures in hundredths, `fast` minus it, seconds, and most memory and bytes kept.

    With `per_prompt` the seconds are one prompt's, and no `picture` is timed.
    """

    line: str
    figures: dict[str, Share]
    fast_leads: dict[str, Share]
    seconds: float
    picture: float | None
    memory: int
    bytes_kept: int
    per_prompt: bool


Figures = dict[str, list[list[float]]]  # by figure, by subject, of each picture


def measure(clip: Clip, dino: Dino, subject: Photographed, made: Made, seeds: int) -> dict[str, list[float]]:
    """Return each picture's cosines: with its prompt, and with the subject's photographs by CLIP and by DINO."""
    pictures = [Image.fromarray(picture) for picture in made.pictures]
    photographs = [square(path, made.pictures.shape[1]) for path in subject.pictures]
    texts = clip.texts([ask.prompt for ask in subject.asks(seeds)])
    by_clip = clip.pictures(pictures)
    return {
        "text": text_scores(by_clip, texts),
        "clip": likenesses(by_clip, clip.pictures(photographs)),
        "dino": likenesses(dino.pictures(pictures), dino.pictures(photographs)),
    }


def figures_of(clip: Clip, dino: Dino, subjects: Sequence[Photographed], made: Sequence[Made], seeds: int) -> Figures:
    """Return the figures of a method's pictures of all subjects."""
    each = [measure(clip, dino, subject, found, seeds) for subject, found in zip(subjects, made, strict=True)]
    return {name: [of_one[name] for of_one in each] for name in FIGURES}


def summed_up(entries: Sequence[Entry], figures: Sequence[Figures], made: Sequence[Sequence[Made]]) -> list[Result]:
    """Return a result for each method; the lead is that of `fast`, or of the first one without it."""
    lines = [entry.line for entry in entries]
    first = figures[lines.index("fast") if "fast" in lines else 0]
    return [
        Result(
            entry.line,
            {name: hundredths(found[name]) for name in FIGURES},
            {name: differences(first[name], found[name]) for name in FIGURES},
            sum(each.cost.seconds for each in several) / len(several),
            _mean([each.cost.picture for each in several if each.cost.picture is not None]),
            max(each.cost.memory for each in several),
            max(each.cost.bytes_kept for each in several),
            entry.method.per_prompt,
        )
        for entry, found, several in zip(entries, figures, made, strict=True)
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def show_results(found: Sequence[Result]) -> None:
    """Print both tables."""
    cells = [
        (
            r.line,
            *r.figures.values(),
            of_seconds(r.seconds, per_prompt=r.per_prompt),
            "" if r.picture is None else f"{r.picture:.2f}",
            of_bytes(r.memory),
            of_bytes(r.bytes_kept),
        )
        for r in found
    ]
    head = ["method", "CLIP text", "CLIP image", "DINO", "seconds", "a picture", "memory", "kept"]
    show("cosines in hundredths, 95 % over subjects", head, cells)
    leads = [(r.line, *r.fast_leads.values()) for r in found]
    show(
        "fast minus the method, hundredths, paired over subjects", ["method", "CLIP text", "CLIP image", "DINO"], leads
    )


def main() -> None:
    """Make everything, print the tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a Stable Diffusion in diffusers' layout")
    parser.add_argument("--subjects", type=Path, required=True, help="a folder of folders with pictures")
    parser.add_argument("--clip", type=Path, required=True, help="a CLIP model in transformers' layout")
    parser.add_argument("--dino", type=Path, required=True, help="a DINO model in transformers' layout")
    parser.add_argument("--methods", nargs="+", default=FIELD, help="lines as of bench.rivals, without seconds=")
    parser.add_argument("--sampling-seeds", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32", help="what trains weights needs float32 or bfloat16")
    parser.add_argument("--threads", type=int, default=CORES, help="1 on a CPU that others keep busy")
    parser.add_argument("--keep", type=Path, default=Path("build/real"), help="what lies there is not made again")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    if missing := [str(path) for path in (options.clip, options.dino) if not path.is_dir()]:
        raise SystemExit(f"there is no folder {', '.join(missing)}")  # before hours of learning, not after
    leave_the_cores()
    recipes = recipes_for(options.model)
    entries = [read_entry(line, recipes) for line in options.methods]
    if late := [entry.line for entry in entries if entry.seconds]:
        raise SystemExit(f"{late}: seconds= needs the timings of bench.rivals; say how many steps")
    if some := [entry.line for entry in entries if entry.individuals < math.inf]:
        raise SystemExit(f"{some}: everybody learns all subjects here, without individuals=")
    subjects = read_subjects(options.subjects)
    backbone = load_backbone(str(options.model), name="real", device=options.device, dtype=options.dtype)
    stage = Stage(Studio(backbone, quiet=True, threads=options.threads), recipes["fast"].edit)
    made: list[list[Made]] = []
    for entry in entries:
        made.append([make(stage, entry, subject, options.sampling_seeds, options.keep) for subject in subjects])
        print(f"{entry.line}: {len(subjects)} subjects", flush=True)
    # who looks at the pictures comes to the device now: before, it would be in every method's memory
    clip, dino = Clip(options.clip, backbone.device), Dino(options.dino, backbone.device)
    figures = [figures_of(clip, dino, subjects, several, options.sampling_seeds) for several in made]
    found = summed_up(entries, figures, made)
    show_results(found)
    write(options.out, "real", found)


if __name__ == "__main__":
    main()
