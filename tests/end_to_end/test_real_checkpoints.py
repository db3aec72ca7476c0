"""A Stable Diffusion checkpoint in diffusers' layout is one line of configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.checkpoints import write_checkpoint
from tests.support.stack import RunningStack, running_stack

pytestmark = pytest.mark.slow
FEW = {"steps": "4", "positions": "5"}


@pytest.fixture(scope="module")
def own_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("models")
    for kind in ("sd15", "sd21"):
        write_checkpoint(folder / kind, kind=kind)
    models = ",".join(f"{kind}={folder / kind}" for kind in ("sd15", "sd21"))
    with running_stack(folder / "data", TAILOR_MODELS=models) as running:
        running.wait_for(lambda: len(running.client.get("/models").json()) == 3, "three published models")
        yield running


@pytest.mark.parametrize("model", ["sd15", "sd21"])
def test_a_checkpoint_of_either_generation_personalizes_and_edits(own_models: RunningStack, model: str) -> None:
    source = own_models.personalize(model=model, **FEW)
    edit = own_models.edit(tail_id=source["tail_id"], prompt="a sitting dog", num_inference_steps=2)

    job = own_models.succeeded(edit["id"])

    assert job["model"] == model
    assert own_models.client.get(job["results"][0]["url"]).headers["content-type"] == "image/png"


def test_the_first_configured_model_is_the_default_and_the_embedded_one_stays(own_models: RunningStack) -> None:
    names = [model["name"] for model in own_models.client.get("/models").json()]

    assert names == ["sd15", "sd21", "critters"]
    assert own_models.personalize(**FEW)["model"] == "sd15"


def test_a_tail_of_another_model_is_refused(own_models: RunningStack) -> None:
    source = own_models.personalize(model="sd21", **FEW)

    answer = own_models.client.post("/edit", json={"tail_id": source["tail_id"], "prompt": "a dog", "model": "sd15"})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("wrong-model")
