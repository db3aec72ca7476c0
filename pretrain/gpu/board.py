"""Pictures that some processes draw while others learn from them, in files that all of them map into memory."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.menagerie.captions import ATTRIBUTES
from pretrain.menagerie.catalog import fetch
from pretrain.menagerie.drawing.pen import GRID
from pretrain.menagerie.drawing.render import parts_on_grid, render_with_details
from pretrain.menagerie.lessons import ALIKE, DETAIL, group_scenes, sampled
from pretrain.menagerie.lessons import SCENES as OF_EACH
from pretrain.menagerie.names import WIDTH as LOOKS
from pretrain.menagerie.outside import UNKNOWN_PART, OutsideScene, draw_outside
from pretrain.menagerie.scenes import Scene
from pretrain.menagerie.truth import NUMBERS, UNKNOWN, truth_of
from pretrain.training.models import Tokenizer
from pretrain.training.text import tokens
from pretrain.worlds import MENAGERIE

CHUNK = 48  # pictures: pairs that share their looks, in chunks of look-alikes of one animal, three pairs a group
CAPTIONS = 3  # of a picture, the last of them plain
EMPTY, ALIKE_CHUNK, PAIRS_CHUNK, OUTSIDE_CHUNK = range(4)
_PATTERN = (ALIKE_CHUNK, PAIRS_CHUNK) * 7 + (ALIKE_CHUNK, OUTSIDE_CHUNK)
_NEW_PAIRS = 100_000  # behind those that the other trainings draw
_NEW_GROUPS = 20_000
_SIZE = MENAGERIE.size
_FIELDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "images": ((_SIZE, _SIZE, 3), np.uint8),
    "details": ((DETAIL, DETAIL), np.uint8),
    "parts": ((GRID, GRID), np.uint8),
    "tokens": ((CAPTIONS, MENAGERIE.max_tokens), np.int16),
    "looks": ((LOOKS,), np.float32),
    "words": ((len(ATTRIBUTES),), np.int16),
    "numbers": ((len(NUMBERS),), np.float32),
    "seen": ((len(NUMBERS),), np.bool_),
}
Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Board:
    """`chunks` chunks of `CHUNK` pictures each; `kinds` (chunks,) tells what is there, `EMPTY` where nothing is yet."""

    rows: Rows
    kinds: NDArray[np.uint8]

    def chunk(self, number: int) -> Rows:
        """Return what a chunk holds, each (CHUNK, ...)."""
        here = slice(number * CHUNK, (number + 1) * CHUNK)
        return {name: array[here] for name, array in self.rows.items()}


def new_board(folder: Path, chunks: int) -> Board:
    """Make the files of an empty board in `folder`; they take no room before they are drawn on."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (shape, kind) in _FIELDS.items():
        open_memmap(folder / f"{name}.npy", "w+", kind, (chunks * CHUNK, *shape)).flush()
    open_memmap(folder / "kinds.npy", "w+", np.uint8, (chunks,)).flush()
    return open_board(folder)


def open_board(folder: Path) -> Board:
    """Return the board in `folder`, to draw on and to read from."""
    rows = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _FIELDS}
    return Board(rows, np.load(folder / "kinds.npy", mmap_mode="r+"))


def draw_on(folder: Path, work: Path, rank: int, processes: int, first: int = 0) -> None:
    """Draw every `processes`-th chunk of a board, from the `rank`-th on, until it is full; what is there stays.

    `first` chunks of the same world were drawn elsewhere: these show others. With work/outside there, some chunks show
    drawings by others.
    """
    board, tokenizer = open_board(folder), open_tokenizer(work)
    outside = fetch(work) if (work / "outside").exists() else None
    for number in range(rank, len(board.kinds), processes):
        if board.kinds[number] != EMPTY:
            continue
        kind = _PATTERN[(first + number) % len(_PATTERN)]
        if kind == OUTSIDE_CHUNK and outside is None:
            kind = PAIRS_CHUNK
        _draw(board.chunk(number), scenes_of(kind, first + number), first + number, tokenizer, outside)
        board.kinds[number] = kind  # last: who reads it finds all the rest


def scenes_of(kind: int, number: int) -> list[Any]:
    """Return the scenes of the number-th chunk of a kind, those that share their looks side by side."""
    if kind == ALIKE_CHUNK:
        groups = CHUNK // (ALIKE * OF_EACH)
        return [scene for index in range(groups) for scene in group_scenes(_NEW_GROUPS + number * groups + index)]
    split, new = ("outside", 0) if kind == OUTSIDE_CHUNK else ("pretraining", _NEW_PAIRS)
    return [MENAGERIE.scene(split, 2 * new + number * CHUNK + index) for index in range(CHUNK)]


def _draw(rows: Rows, scenes: list[Any], seed: int, tokenizer: Tokenizer, outside: Path | None) -> None:
    rng = random.Random(seed)
    for row, scene in enumerate(scenes):
        rows["images"][row], details = _drawn(scene, outside)
        if details is None:
            rows["details"][row], rows["parts"][row] = 0, UNKNOWN_PART
        else:
            rows["details"][row], rows["parts"][row] = sampled(details), parts_on_grid(details)
        texts = [MENAGERIE.caption(scene, rng).text for _ in range(CAPTIONS - 1)]
        rows["tokens"][row] = tokens(tokenizer, [*texts, MENAGERIE.plain_caption(scene)]).numpy()
        rows["looks"][row] = (MENAGERIE.looks_of(scene) if MENAGERIE.looks_of else None) or np.nan
    if isinstance(scenes[0], OutsideScene):
        rows["words"][:], rows["numbers"][:], rows["seen"][:] = UNKNOWN, 0, False
        return
    truth = truth_of(scenes)
    rows["words"][:], rows["numbers"][:], rows["seen"][:] = truth.words, truth.numbers, truth.seen


def _drawn(scene: Scene | OutsideScene, outside: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    if isinstance(scene, Scene):
        image, details = render_with_details(scene)
        return np.asarray(image), details
    if outside is None:
        raise ValueError("a drawing by others needs the folder that they were fetched into")
    return np.asarray(draw_outside(outside, scene)), None
