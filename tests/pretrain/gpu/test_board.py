"""Pictures are drawn on a board while others take them from it, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pretrain.captions.tokenizer import open_tokenizer
from pretrain.gpu.bank import Bank, Intake, as_images
from pretrain.gpu.board import (
    ALIKE_CHUNK,
    CAPTIONS,
    CHUNK,
    EMPTY,
    PAIRS_CHUNK,
    Board,
    Rows,
    draw_on,
    new_board,
    open_board,
)
from pretrain.menagerie.lessons import ALIKE, SCENES
from pretrain.menagerie.truth import UNKNOWN


def test_a_board_shows_look_alikes_and_pairs_with_all_that_is_to_know_of_them(board: Board, drawn: Path) -> None:
    assert board.kinds.tolist() == [ALIKE_CHUNK, PAIRS_CHUNK, ALIKE_CHUNK]
    rows = board.chunk(0)
    assert len({picture.tobytes() for picture in board.rows["images"]}) == 3 * CHUNK, "no picture is another"
    assert np.array_equal(rows["looks"][::2], rows["looks"][1::2]), "neighbors show one animal"
    group = rows["words"][: ALIKE * SCENES].astype(int)
    known = (group != UNKNOWN).all(0)
    same = (group == group[0]).all(0)
    assert same[known].sum() >= 8, "look-alikes share their words"
    assert len({row.tobytes() for row in rows["looks"][: ALIKE * SCENES]}) == ALIKE, "and differ in their looks"
    assert (rows["parts"] > 0).any((1, 2)).all(), "an animal is in every picture"
    assert (rows["details"] > 0).any((1, 2)).all()
    tokenizer = open_tokenizer(drawn.parent)
    full, plain = (tokenizer.decode(rows["tokens"][0][which], skip_special_tokens=True) for which in (0, CAPTIONS - 1))
    assert len(plain) < len(full)


def test_a_run_that_was_stopped_is_taken_up_and_draws_the_same(board: Board, drawn: Path, tmp_path: Path) -> None:
    before = board.rows["images"][CHUNK].copy()
    board.rows["images"][CHUNK] = 0
    board.rows["images"][0, 0, 0] = 77  # what is there stays, whatever it is
    board.kinds[1] = EMPTY
    draw_on(tmp_path / "board", drawn.parent, 0, 1)
    again = open_board(tmp_path / "board")
    assert again.kinds.tolist() == [ALIKE_CHUNK, PAIRS_CHUNK, ALIKE_CHUNK]
    assert np.array_equal(again.rows["images"][CHUNK], before)
    assert (again.rows["images"][0, 0, 0] == 77).all()


def test_processes_share_a_board_and_another_run_shows_others(drawn: Path, tmp_path: Path) -> None:
    new_board(tmp_path / "new", 2)
    draw_on(tmp_path / "new", drawn.parent, rank=1, processes=2, first=2)
    found = open_board(tmp_path / "new")
    assert found.kinds.tolist() == [EMPTY, PAIRS_CHUNK], "the other process' chunk is left to it"
    assert not np.array_equal(found.chunk(1)["looks"], open_board(drawn).chunk(1)["looks"])


def test_each_chunk_is_taken_once_whenever_it_is_drawn(board: Board) -> None:
    taken: list[tuple[int, bytes]] = []

    def take(rows: Rows, kind: int) -> None:
        taken.append((kind, rows["images"][0].tobytes()))

    board.kinds[0] = EMPTY
    intake = Intake(board, (ALIKE_CHUNK,), take)
    assert intake() == 1, "the third; the second is of no use here"
    assert intake() == 0
    board.kinds[0] = ALIKE_CHUNK
    assert intake() == 1
    assert [intake(), intake()] == [0, 0]
    assert taken == [(ALIKE_CHUNK, board.rows["images"][at].tobytes()) for at in (2 * CHUNK, 0)]


def test_no_more_is_taken_at_once_than_was_asked_for(board: Board) -> None:
    intake = Intake(board, (ALIKE_CHUNK, PAIRS_CHUNK), lambda _rows, _kind: None)
    assert [intake(2), intake(2), intake(2)] == [2, 1, 0]


def test_a_chunk_that_is_never_drawn_holds_nobody_up(board: Board) -> None:
    board.kinds[0] = EMPTY
    intake = Intake(board, (ALIKE_CHUNK, PAIRS_CHUNK), lambda _rows, _kind: None)
    assert intake(seconds=0.0) == 1, "one at least, however little time there is"
    assert intake() == 1
    assert intake() == 0


def test_a_bank_is_a_ring_and_draws_whole_runs_of_what_it_holds() -> None:
    bank = Bank(7, 2, {"number": ((), torch.float32)}, torch.device("cpu"))  # room for three chunks
    bank.put({"number": torch.tensor([0.0, 1.0])})
    assert len(bank) == 2
    assert set(bank.draw(50).tolist()) == {0, 1}, "nothing but what it holds"
    for first in (2, 4, 6):
        bank.put({"number": torch.tensor([first, first + 1.0])})
    assert len(bank) == 6
    assert bank.columns["number"].tolist() == [6, 7, 2, 3, 4, 5], "the oldest is forgotten"
    runs = bank.draw(100, 2).view(-1, 2)
    assert (runs[:, 0] % 2 == 0).all()
    assert (runs[:, 1] == runs[:, 0] + 1).all()
    assert set(runs[:, 0].tolist()) == {0, 2, 4}


def test_pictures_become_images_in_the_range_that_networks_read() -> None:
    picture = torch.tensor([[[[0, 128, 255]]]], dtype=torch.uint8)
    assert torch.allclose(as_images(picture), torch.tensor([[[[-1.0]], [[0.0039216]], [[1.0]]]]), atol=1e-6)
