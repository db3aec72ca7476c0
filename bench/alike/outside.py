"""Edits of drawings by others that no training has seen, as a sheet to look at: `python -m bench.alike.outside`.

Nobody knows the truth of these, so there is no judge: the sheet has what each tail was learned from and what was asked
for above the pictures. The drawings are fetched with npm and apt-get, unless the folder has them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.cores import CORES
from bench.rivals.comparison import sheet
from bench.trials.studio import CRITTERS, Studio, Wish
from bench.trials.variants import Variant, read_variant
from core.diffusion.backbone import load_backbone
from core.diffusion.learning.sources import Source
from core.models.recipes import recipes_for
from pretrain.drawing.pictures import to_tensor
from pretrain.menagerie.captions import plain_words
from pretrain.menagerie.catalog import Drawing, fetch, file_of, held_out
from pretrain.menagerie.outside import OutsideScene, describe_plainly, draw_outside
from pretrain.menagerie.scenes import usual_setting

PLACES = ("meadow", "city", "plain")  # of the pictures that are learned from, in turn: none that is asked for
ASKED = (("sitting", "beach"), ("jumping", "snow"), ("running", "desert"), ("lying", "room"), ("standing", "forest"))


@dataclass(frozen=True, eq=False)
class Subject:
    """A drawing as it is learned from, and the prompts that ask for it."""

    drawing: Drawing
    picture: NDArray[np.uint8]
    prompt: str
    prompts: Sequence[str]

    @classmethod
    def of(cls, number: int, drawing: Drawing, folder: Path) -> Subject:
        """Put a drawing into a scene, and ask for it in others."""
        place = PLACES[number % len(PLACES)]
        scene = OutsideScene(drawing, usual_setting(drawing.pose, place, side=drawing.side))
        picture = np.asarray(draw_outside(folder, scene))
        return cls(drawing, picture, describe_plainly(scene), [plain_words(drawing.noun, *wish) for wish in ASKED])


def edits(studio: Studio, variant: Variant, subjects: Sequence[Subject]) -> list[NDArray[np.uint8]]:
    """Learn every subject from its one picture and draw what is asked of it; (prompts, H, W, 3) each."""
    sources = [[Source(to_tensor(subject.picture[None])[0], subject.prompt)] for subject in subjects]
    params = variant.recipe.personalize
    learned = studio.tails(sources, list(range(len(subjects))), params)
    wishes = [
        Wish(prompt, tails[params.steps], seed, (subject.prompt,))
        for subject, tails in zip(subjects, learned, strict=True)
        for seed, prompt in enumerate(subject.prompts)
    ]
    pictures = studio.pictures(wishes, variant.recipe.edit)
    firsts = np.cumsum([len(subject.prompts) for subject in subjects])[:-1]
    return np.split(pictures, firsts)


def labeled(subjects: Sequence[Subject], drawn: Sequence[NDArray[np.uint8]]) -> Image.Image:
    """Return the sheet: a row for each subject, what it was learned from first."""
    rows = [
        (f"{n}. {file_of(s.drawing)}: {s.prompt}", [s.picture, *pictures])
        for n, (s, pictures) in enumerate(zip(subjects, drawn, strict=True), 1)
    ]
    return sheet(rows, ["learned from", *(f"{pose}, {place}" for pose, place in ASKED)])


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=CRITTERS.with_name("menagerie"))
    parser.add_argument("--recipe", default="fast", help="its name, with changes if wanted")
    parser.add_argument("--drawings", type=Path, default=Path("build"), help="where `outside` lies or is fetched to")
    parser.add_argument("--out", type=Path, default=Path("build/bench/outside.webp"))
    options = parser.parse_args()
    folder = fetch(options.drawings)
    subjects = [Subject.of(number, drawing, folder) for number, drawing in enumerate(held_out())]
    studio = Studio(load_backbone(str(options.model), name="bench"), threads=CORES)
    variant = read_variant(options.recipe, recipes_for(options.model))
    drawn = edits(studio, variant, subjects)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    labeled(subjects, drawn).save(options.out, quality=90)
    print(options.out)


if __name__ == "__main__":
    main()
