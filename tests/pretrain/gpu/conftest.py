"""A work folder of the menagerie, and a board with three chunks of pictures."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from core.config import REPOSITORY
from pretrain import stages
from pretrain.gpu.board import Board, draw_on, new_board, open_board
from pretrain.training.parallel import settle
from pretrain.training.unet import Names, save_names
from pretrain.training.unet.names import NAMES_FILE
from pretrain.worlds import MENAGERIE

CHUNKS = 3


@pytest.fixture(scope="package", autouse=True)
def _settled() -> None:
    settle()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    monkeypatch.setattr("pretrain.training.whitening.PICTURES", 4)
    stages.begin(Namespace(out=REPOSITORY / "models" / "menagerie", work=folder))
    shutil.copyfile(folder / "judges" / "judge_a.safetensors", folder / "judges" / "judge_reader.safetensors")
    torch.manual_seed(0)
    save_names(Names(MENAGERIE.groups), folder / NAMES_FILE)
    return folder


@pytest.fixture(scope="package")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a board that is full; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("gpu")
    shutil.copytree(REPOSITORY / "models" / "menagerie" / "tokenizer", folder / "tokenizer")
    new_board(folder / "board", CHUNKS)
    draw_on(folder / "board", folder, 0, 1)
    return folder / "board"


@pytest.fixture
def board(drawn: Path, tmp_path: Path) -> Board:
    """A copy of the full board."""
    shutil.copytree(drawn, tmp_path / "board")
    return open_board(tmp_path / "board")
