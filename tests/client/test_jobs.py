"""What the client makes and hears of, with the real API over TCP and a worker that only pretends to learn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tailor_client import (
    AsyncTailor,
    NotFoundError,
    ProblemError,
    Retries,
    Tailor,
    UnreachableError,
)
from tailor_client.retries import NEVER
from tests.api.serving import picture
from tests.api.test_imports import FILE

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def url(api: httpx.Client) -> str:
    return str(api.base_url)


def test_one_picture_in_edits_out(url: str, tmp_path: Path) -> None:
    file = tmp_path / "dog.png"
    file.write_bytes(picture())
    with Tailor(url) as tailor:
        dog = tailor.personalize(file, "a standing dog", seed=3, labels={"name": "Rex"}, webhook=None)
        edit = tailor.wait(tailor.edit(dog, "a sitting dog", num_images=2, tail_scale=0.9))
        saved = [result.save(tmp_path / f"{result.index}.png", tailor) for result in edit.results]

        assert [one.read_bytes() for one in saved] == [picture("red")] * 2
        assert (dog.seed, dog.labels, edit.parameters["tail_scale"]) == (3, {"name": "Rex"}, 0.9)
        assert tailor.tail(dog).prompt == "a standing dog"
        assert tailor.tail_file(dog) == b"tail bytes"
        assert tailor.download(tailor.tail(dog)) == b"tail bytes"


def test_pictures_may_be_bytes_several_and_with_options_that_a_form_has_as_json(url: str) -> None:
    with Tailor(url) as tailor:
        dog = tailor.personalize(
            [picture(), picture("red")],
            ["a dog", "a red dog"],
            edits=[{"prompt": "a sitting dog", "num_images": 2}, {"prompt": "a dog in the snow"}],
            previews=True,
            webhook={"url": "http://example.test/hook", "events": ["job.failed"]},
            wait_s=30,
            inline=True,
        )

    assert dog.model_extra
    assert (dog.status, dog.model_extra["prompts"], dog.parameters["previews"]) == (
        "succeeded", ["a dog", "a red dog"], True,
    )  # fmt: skip
    assert [len(edit.results) for edit in dog.edits] == [2, 1]
    assert all(result.base64 for edit in dog.edits for result in edit.results)


def test_edits_take_several_tails_sweeps_and_pictures_of_their_own(url: str) -> None:
    with Tailor(url) as tailor:
        dog, style = (tailor.wait(tailor.personalize(picture(), "a dog")) for _ in range(2))
        both = tailor.edit([dog, (style, 0.6)], "a dog", tail_mode="residual")
        one = tailor.edit([(dog.tail_id, 0.5)], "a dog")
        swept = tailor.wait(tailor.edit(dog, "a dog", sweep={"tail_scale": [0.6, 1.0], "seed": [1, 2, 3]}))
        kept = tailor.edit(dog.tail_id, "a dog", picture=picture("red"), strength=0.5)

        assert [(use.id, use.scale) for use in both.tails] == [(dog.tail_id, None), (style.tail_id, 0.6)]
        assert [(use.id, use.scale) for use in one.tails] == [(dog.tail_id, 0.5)]
        assert swept.results[0].cell == {"seed": 1, "tail_scale": 0.6}
        assert swept.grid
        assert kept.parameters["strength"] == 0.5


def test_lists_labels_and_deletion(url: str) -> None:
    with Tailor(url) as tailor:
        mine = {"batch": "lists"}
        made = [tailor.personalize(picture(), f"a dog {n}", labels=mine) for n in range(3)]
        for job in made:
            tailor.wait(job)
        edit = tailor.wait(tailor.edit(made[0], "a dog", labels=mine))

        assert [job.id for job in tailor.jobs(labels=mine, page=2)] == [edit.id, *(job.id for job in reversed(made))]
        assert [job.id for job in tailor.jobs(tail=made[0], kind="edit", status="succeeded")] == [edit.id]
        assert [tail.id for tail in tailor.tails(labels=mine, page=1)] == [job.tail_id for job in reversed(made)]
        assert tailor.label(made[1], {"name": "Max", "batch": None}).labels == {"name": "Max"}
        assert set(tailor.delete_tail(made[0], edits=True).jobs) == {made[0].id, edit.id}
        assert tailor.delete_job(made[2]).jobs == [made[2].id]
        with pytest.raises(NotFoundError, match="deleted"):
            tailor.job(made[0])


def test_a_tail_leaves_as_a_file_and_comes_back(url: str, tmp_path: Path) -> None:
    file = tmp_path / "dog.safetensors"
    file.write_bytes(FILE)
    with Tailor(url) as tailor:
        first = tailor.import_tail(file, labels={"name": "Rex"}, idempotency_key="import-1")
        again = tailor.import_tail(FILE, labels={"name": "Rex"}, idempotency_key="import-1")

        assert (first.id, first.imported, first.labels) == (again.id, True, {"name": "Rex"})
        assert tailor.tail_file(first) == FILE


def test_what_is_refused_says_field_and_limit(url: str) -> None:
    with Tailor(url) as tailor:
        with pytest.raises(ProblemError) as refused:
            tailor.personalize(picture(), "a dog", steps=10_000)
        assert (refused.value.field, refused.value.limit, refused.value.status) == ("steps", 5000, 422)
        assert (refused.value.problem.name, bool(refused.value.request_id)) == ("invalid-input", True)
        with pytest.raises(NotFoundError):
            tailor.edit("tail_" + "0" * 24, "a dog")


def test_no_server_and_no_tailor_server_are_said(url: str) -> None:
    with (
        Tailor("http://127.0.0.1:1", retries=NEVER) as tailor,
        pytest.raises(UnreachableError, match="no Tailor server"),
    ):
        tailor.models()
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with (
        Tailor("http://tailor.test", transport=page) as tailor,
        pytest.raises(UnreachableError, match="as Tailor does"),
    ):
        tailor.models()


def test_the_async_client_does_the_same(url: str) -> None:
    async def run() -> None:
        async with AsyncTailor(url, retries=Retries()) as tailor:
            dog = await tailor.personalize(picture(), "a dog", labels={"batch": "async"})
            told = [event.type async for event in tailor.events(dog)]
            edits = await asyncio.gather(*(tailor.edit(dog, f"dog {n}", wait_s=30) for n in range(3)))

            assert told[-1] == "status"
            assert [edit.status for edit in edits] == ["succeeded"] * 3
            assert [job.id async for job in tailor.jobs(labels={"batch": "async"})] == [dog.id]
            assert await tailor.download(edits[0].results[0]) == picture("red")
            assert [job.status async for job in tailor.watch(dog)] == ["succeeded"]
            assert (await tailor.wait(dog)).id == dog.id
            assert (await tailor.models())[0].name == "critters"

    asyncio.run(run())
