"""A tail file is used without the server: the README's diffusers code makes the picture that the service makes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load, save

from core.config import REPOSITORY
from tests.support.stack import RunningStack

pytestmark = pytest.mark.slow

MOST_OFF = 1  # of 255: both round float32 sums that were made in different orders


def diffusers_block() -> str:
    """Return the README's Python block that uses plain diffusers."""
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), flags=re.DOTALL)
    (block,) = (block for block in blocks if "import diffusers" in block)
    return str(block)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the README's code runs."""
    (tmp_path / "models").symlink_to(REPOSITORY / "models")
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the stack has the cores: two teams of threads would wait for each other
    yield tmp_path
    torch.set_num_threads(threads)


def with_diffusers(folder: Path, tail_file: bytes) -> Image.Image:
    """Run the README's code with this tail file, and return its picture."""
    (folder / "dog.safetensors").write_bytes(tail_file)
    exec(compile(diffusers_block(), "README.md", "exec"), {})
    return Image.open(folder / "diffusers.png").convert("RGB")


def download(stack: RunningStack, tail: str) -> bytes:
    return stack.client.get(f"/tails/{tail}/file", follow_redirects=True).content


def the_services(stack: RunningStack, **fields: object) -> Image.Image:
    job = stack.succeeded(stack.edit(prompt="a sitting dog", seed=1, **fields)["id"])
    return Image.open(io.BytesIO(stack.client.get(job["results"][0]["url"]).content)).convert("RGB")


def most_off(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max())


def test_plain_diffusers_makes_the_services_picture(stack: RunningStack, tail: str, folder: Path) -> None:
    ours = the_services(stack, tail_id=tail)

    theirs = with_diffusers(folder, download(stack, tail))

    assert most_off(ours, theirs) <= MOST_OFF
    # and it is the tail that is compared: without it the picture is another
    assert most_off(ours, the_services(stack, tail_id=tail, tail_scale=0)) > 10 * MOST_OFF


def test_a_tail_file_says_how_its_tail_was_made_and_is_used(stack: RunningStack, tail: str, tmp_path: Path) -> None:
    path = tmp_path / "tail.safetensors"
    path.write_bytes(download(stack, tail))

    with safe_open(path, "np") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name).shape for name in file.keys()}  # noqa: SIM118

    model = stack.client.get("/models").json()[0]
    usage = model["recipes"]["fast"]["edit"]
    assert tensors == {"tail": (5, model["width"]), "source_tail": (5, model["width"])}
    assert {name: about[name] for name in ("format_version", "tail_id", "model", "model_hash", "prompt", "recipe")} == {
        "format_version": "1",
        "tail_id": tail,
        "model": model["name"],
        "model_hash": model["hash"],
        "prompt": "a standing dog",
        "recipe": "fast",
    }
    told = ("tail_mode", "tail_scale", "guidance_scale", "num_inference_steps", "sampler")
    assert {name: about[name] for name in told} == {name: str(usage[name]) for name in told}
    assert json.loads(about["scheduler_config"]) == {"timestep_spacing": "linspace", "final_sigmas_type": "zero"}


def test_a_file_of_an_earlier_version_is_used_by_edits_as_before(stack: RunningStack) -> None:
    learned = stack.succeeded(stack.personalize(steps=20, seed=3)["id"])["tail_id"]
    today = the_services(stack, tail_id=learned, exact=True)
    (path,) = stack.data.glob(f"storage/jobs/*{learned.removeprefix('tail_')}*/out/*/tail.safetensors")
    path.write_bytes(save({"tail": load(path.read_bytes())["tail"]}))

    assert the_services(stack, tail_id=learned, exact=True).tobytes() == today.tobytes()
