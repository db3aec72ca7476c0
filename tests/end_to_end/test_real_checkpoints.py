"""A Stable Diffusion checkpoint, a folder or a single file, is one line of configuration."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from cli.machine.models_file import write_models
from tests.support.adapters import write_inversion, write_lora
from tests.support.checkpoints import Kind, write_checkpoint
from tests.support.single_files import write_single_file
from tests.support.stack import RunningStack, running_stack

pytestmark = pytest.mark.slow
FEW = {"steps": "4", "positions": "5"}
KINDS: tuple[Kind, ...] = ("sd15", "sd21", "sdxl")


@pytest.fixture(scope="module")
def own_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("models")
    models = {kind: str(write_checkpoint(folder / kind, kind=kind)) for kind in KINDS}
    (folder / "sd15" / "LICENSE").write_text("free for tests")
    models |= {
        f"{kind}-file": str(write_single_file(folder / kind, folder / f"{kind}.file.safetensors")) for kind in KINDS
    }
    lora = write_lora(folder / "ink.safetensors", "sd15")
    words = write_inversion(folder / "inkstyle.safetensors", "sd15", vectors=3)
    models["merged"] = f"{models['sd15-file']}+lora:{lora}@0.8+ti:{words}"
    write_models(folder / "data", models)
    with running_stack(folder / "data", HF_HUB_OFFLINE="1") as running:
        running.wait_for(lambda: len(running.client.get("/models").json()) == len(models) + 1, "all published models")
        yield running


@pytest.mark.parametrize("model", [*KINDS, *(f"{kind}-file" for kind in KINDS), "merged"])
def test_a_checkpoint_of_any_family_personalizes_and_edits(own_models: RunningStack, model: str) -> None:
    source = own_models.personalize(model=model, **FEW)
    edit = own_models.edit(tail_id=source["tail_id"], prompt="a sitting dog", num_inference_steps=2)

    job = own_models.succeeded(edit["id"])

    assert job["model"] == model
    assert own_models.client.get(job["results"][0]["url"]).headers["content-type"] == "image/png"


def test_the_first_configured_model_is_the_default_and_the_embedded_one_stays(own_models: RunningStack) -> None:
    names = [model["name"] for model in own_models.client.get("/models").json()]

    assert (names[0], names[-1]) == ("sd15", "critters")
    assert own_models.personalize(**FEW)["model"] == "sd15"


def test_models_tell_family_size_numbers_recipe_words_and_license(own_models: RunningStack) -> None:
    models = {model["name"]: model for model in own_models.client.get("/models").json()}

    assert [models[name]["family"] for name in ("sd15", "sd21-file", "sdxl-file")] == ["sd1", "sd2", "sdxl"]
    assert [models[name]["default_recipe"] for name in ("sd15", "sdxl")] == ["fast", "paper"]
    xl = models["sdxl-file"]
    assert (xl["image_size"], xl["size_multiple"], xl["sequence_length"], xl["width"]) == (16, 2, 77, 80)
    assert (xl["device"], xl["dtype"], xl["license"]) == ("cpu", "float32", None)
    assert models["merged"]["words"] == {"inkstyle": 3}
    assert models["sd15"]["license"] == "free for tests"


def test_an_edit_of_xl_may_be_wider_than_high(own_models: RunningStack) -> None:
    source = own_models.personalize(model="sdxl", **FEW)
    edit = own_models.edit(tail_id=source["tail_id"], prompt="a dog", num_inference_steps=2, width=24, height=16)

    job = own_models.succeeded(edit["id"])

    picture = Image.open(io.BytesIO(own_models.client.get(job["results"][0]["url"]).content))
    assert picture.size == (24, 16)


def test_an_added_word_counts_as_the_tokens_that_it_is(own_models: RunningStack) -> None:
    source = own_models.personalize(model="merged", **FEW)

    answer = own_models.client.post("/edit", json={"tail_id": source["tail_id"], "prompt": "inkstyle " * 30})

    assert answer.json()["type"].endswith("prompt-too-long")
    assert answer.json()["tokens"] == 3 * 30 + 2


def test_a_tail_of_another_model_is_refused(own_models: RunningStack) -> None:
    source = own_models.personalize(model="sd21", **FEW)

    answer = own_models.client.post("/edit", json={"tail_id": source["tail_id"], "prompt": "a dog", "model": "sd15"})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("wrong-model")
