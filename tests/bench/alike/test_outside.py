"""The sheet of drawings by others: learned from one scene, asked for in others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench.alike.outside import ASKED, Subject, edits, labeled
from bench.trials.studio import CRITTERS, Studio
from bench.trials.variants import read_variant
from core.diffusion.backbone import load_backbone
from core.models.recipes import recipes_for
from pretrain.menagerie.catalog import DRAWINGS, file_of

MENAGERIE = CRITTERS.with_name("menagerie")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold an animal drawn here in place of each."""
    for drawing in DRAWINGS:
        image = Image.new("RGBA", (200, 120), (0, 0, 0, 0))
        ImageDraw.Draw(image).ellipse((0, 0, 199, 119), fill=(250, 60, 20, 255))
        image.save(tmp_path / file_of(drawing))
    return tmp_path


def test_a_drawing_is_asked_for_in_other_scenes_than_its_own(folder: Path) -> None:
    for number, drawing in enumerate(DRAWINGS[:6]):
        subject = Subject.of(number, drawing, folder)
        assert subject.prompt not in subject.prompts
        assert len(set(subject.prompts)) == len(ASKED)
        assert all(drawing.noun in prompt.split() for prompt in (subject.prompt, *subject.prompts))


def test_the_sheet_has_a_row_for_each_with_what_it_was_learned_from(folder: Path) -> None:
    subjects = [Subject.of(number, DRAWINGS[number], folder) for number in range(2)]
    studio = Studio(load_backbone(str(MENAGERIE), name="bench"), quiet=True, threads=1)
    variant = read_variant("fast steps=1 beginning=prompt num_inference_steps=1", recipes_for(MENAGERIE))

    drawn = edits(studio, variant, subjects)
    sheet = np.asarray(labeled(subjects, drawn))

    assert [pictures.shape for pictures in drawn] == [(len(ASKED), 128, 128, 3)] * 2
    assert not np.array_equal(drawn[0], drawn[1])
    for row, subject in enumerate(subjects):
        top = 16 + row * 132
        assert np.array_equal(sheet[top : top + 128, 250 : 250 + 128], subject.picture)
