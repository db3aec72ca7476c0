"""`tailor models add` checks a checkpoint without a server and remembers it; `tailor up` serves what is remembered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.machine.models_file import ModelsFileError, as_setting, read_models, use_models_of, write_models
from core.config import REPOSITORY, Settings
from tests.support.adapters import write_lora
from tests.support.checkpoints import write_checkpoint
from tests.support.single_files import write_single_file


def tailor(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `tailor models …` in a folder, with its data in `data`."""
    return subprocess.run(
        [sys.executable, "-m", "cli", "models", *arguments, "--data", "data"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"} | env,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_a_model_is_checked_and_remembered_with_full_paths(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "xl", kind="sdxl")
    write_single_file(folder, tmp_path / "dream.safetensors", metadata={"modelspec.license": "CreativeML"})
    write_lora(tmp_path / "ink.safetensors", "sdxl")

    done = tailor(tmp_path, "add", "dream", "dream.safetensors+lora:ink.safetensors@0.8")

    assert done.returncode == 0, done.stderr
    kept = f"{tmp_path / 'dream.safetensors'}+lora:{tmp_path / 'ink.safetensors'}@0.8"
    assert read_models(tmp_path / "data") == {"dream": kept}
    assert f'TAILOR_MODELS="dream={kept}"' in done.stdout
    for said in (
        "Stable Diffusion XL, one file",
        "GiB free",
        "license: CreativeML",
        "77 tokens, 80 wide",
        "one step: ",
    ):
        assert said in done.stdout


def test_what_cannot_be_loaded_is_not_remembered_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "old.ckpt").write_bytes(b"never read")

    done = tailor(tmp_path, "add", "old", "old.ckpt")

    assert done.returncode == 1
    assert "is pickled (.ckpt)" in done.stderr
    assert "old was not added" in done.stderr
    assert read_models(tmp_path / "data") == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "a,b", "xl"], "NAME is 'a,b'"),
        (["add", "a", "xl+lora:x@much"], "'much' after @ is no number"),
        (["add", "a", "x,l"], "has a comma"),
        (["remove", "a"], "has no 'a'; it has: b"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    write_models(tmp_path / "data", {"b": "/b"})

    done = tailor(tmp_path, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert read_models(tmp_path / "data") == {"b": "/b"}


def test_a_model_is_removed_and_the_others_keep_their_order(tmp_path: Path) -> None:
    write_models(tmp_path / "data", {"c": "/c", "a.b": '/a "quoted"', "b": "/b"})

    assert tailor(tmp_path, "remove", "c").returncode == 0

    assert list(read_models(tmp_path / "data").items()) == [("a.b", '/a "quoted"'), ("b", "/b")]


def test_tailor_up_serves_what_is_remembered_unless_the_setting_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"dream": "/m/dream.safetensors+lora:/m/ink.safetensors@0.8", "sd15": "owner/name"}
    write_models(tmp_path, models)
    monkeypatch.setenv("TAILOR_MODELS", "mine=/mine")
    use_models_of(tmp_path)
    assert list(Settings(_env_file=None).model_locations)[:1] == ["mine"]

    monkeypatch.delenv("TAILOR_MODELS")
    use_models_of(tmp_path)
    assert list(Settings(_env_file=None).model_locations)[:2] == ["dream", "sd15"]
    assert os.environ["TAILOR_MODELS"] == as_setting(models)


def test_a_file_that_somebody_broke_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text("[models\n")
    with pytest.raises(ModelsFileError, match=r"models\.toml can't be read"):
        read_models(tmp_path)
    (tmp_path / "models.toml").write_text("[models]\na = 1\n")
    with pytest.raises(ModelsFileError, match="a name and a location in quotes"):
        read_models(tmp_path)
