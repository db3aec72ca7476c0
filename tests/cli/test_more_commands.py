"""Lists, labels, deletion, sweeps and several tails from the command line, against the real API over TCP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.api.serving import PretendingWorker, picture
from tests.cli.test_commands import dog, send, tailor, url

__all__ = ["dog", "url"]


@pytest.fixture
def tail(url: str, dog: str, worker: PretendingWorker) -> str:
    """The id of a tail that is ready."""
    learned = send(dog)
    worker.succeed(worker.take(learned["id"]))
    return learned["tail_id"]


def test_a_sweep_names_its_values_by_commas_and_prompts_one_by_one(
    api: httpx.Client, tail: str, worker: PretendingWorker
) -> None:
    words = ("--sweep", "tail-scale=0.6, 1.0", "--sweep", "seed=1,2")
    job = json.loads(tailor("edit", tail, "a dog", *words, "--no-wait", "--json").stdout)
    worker.succeed(worker.take(job["id"], "edit"))
    cells = [result["cell"] for result in api.get(f"/jobs/{job['id']}").json()["results"]]
    assert cells == [{"seed": seed, "tail_scale": scale} for seed in (1, 2) for scale in (0.6, 1.0)]
    prompts = ("--sweep", "prompt=a dog, sitting", "--sweep", "prompt=a dog in the snow")
    assert tailor("edit", tail, *prompts, "--no-wait").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sweep", "steps=1,2"), "--sweep takes NAME=VALUES with one of prompt, seed, tail_scale, guidance_scale"),
        (("--sweep", "seed=1,x"), "--sweep seed: 'x' is not a number"),
        (("--sweep", "seed=1.5"), "--sweep seed: '1.5' is not a number"),
        (("--tail", "tail_1:much"), "the scale of a tail is not a number"),
        (("--label", "Rex"), "--label takes NAME=VALUE, not 'Rex'"),
        (("--ttl", "soon"), "--ttl takes a time like 3600, 90m, 12h or 7d, not 'soon'"),
        (("--strength", "0.5", "--picture", "no.png"), "there is no picture 'no.png'"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(words: tuple[str, ...], said: str) -> None:
    done = tailor("edit", "tail_x", "a dog", *words, "--url", "http://127.0.0.1:1")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_several_tails_each_with_its_scale(api: httpx.Client, tail: str, dog: str) -> None:
    other = send(dog)["tail_id"]
    done = tailor("edit", f"{tail}:0.7", "two dogs", "--tail", other, "--tail-mode", "residual", "--no-wait", "--json")
    job = api.get(f"/jobs/{json.loads(done.stdout)['id']}").json()
    assert job["tails"] == [{"id": tail, "scale": 0.7}, {"id": other, "scale": None}]


def test_an_edit_may_start_from_a_picture_of_its_own(api: httpx.Client, tail: str, dog: str) -> None:
    done = tailor("edit", tail, "a dog", "--strength", "0.5", "--picture", dog, "--recipe", "fast", "--no-wait")
    assert api.get(f"/jobs/{done.stdout.strip()}").json()["parameters"]["strength"] == 0.5


def test_labels_and_a_time_to_live_come_with_a_job(api: httpx.Client, url: str, dog: str) -> None:
    words = ("--label", "name=Rex", "--label", "for=me", "--ttl", "2h", "--no-wait", "--json")
    job = json.loads(tailor("personalize", dog, "a dog", *words).stdout)
    assert job["labels"] == {"name": "Rex", "for": "me"}
    refused = tailor("personalize", dog, "a dog", "--ttl", "59s")
    assert (refused.exit_code, "ttl: " in refused.stderr) == (2, True)


@pytest.mark.usefixtures("working")
def test_edits_in_the_same_call_are_waited_for_and_saved(url: str, dog: str, tmp_path: Path) -> None:
    words = ("--edit", "a sitting dog", "--edit", "a dog in the snow", "-o", str(tmp_path / "out"))
    done = tailor("personalize", dog, "a standing dog", *words)
    assert done.exit_code == 0, done.output
    *files, tail = done.stdout.splitlines()
    assert [Path(file).suffix for file in files] == [".png", ".json"] * 2
    assert Path(files[0]).read_bytes() == picture("red")
    assert re.fullmatch(r"tail_[0-9a-f]{24}", tail)


def test_jobs_and_tails_are_listed_labeled_and_deleted(url: str, dog: str, worker: PretendingWorker) -> None:
    mine = ("--label", "batch=cli")
    jobs = [json.loads(tailor("personalize", dog, f"dog {n}", *mine, "--no-wait", "--json").stdout) for n in range(2)]
    listed = tailor("jobs", *mine, "--kind", "personalize").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [job["id"] for job in reversed(jobs)]
    assert len(tailor("jobs", *mine, "-n", "1").stdout.splitlines()) == 1
    assert tailor("jobs", *mine, "--status", "succeeded").stdout == ""
    assert json.loads(tailor("tails", *mine, "-n", "1", "--json").stdout)["id"] == jobs[1]["tail_id"]

    named = tailor("label", jobs[0]["tail_id"], "name=Rex", "batch=").stdout
    assert ("name=Rex" in named, "batch=" in named) == (True, False)

    gone = tailor("delete", jobs[0]["tail_id"], jobs[1]["id"]).stdout.splitlines()
    assert [line.split(" jobs")[0] for line in gone] == [f"{jobs[0]['tail_id']}: 1", f"{jobs[1]['id']}: 1"]
    assert tailor("tails", *mine).stdout == ""
    assert (tailor("status", jobs[0]["id"]).exit_code, tailor("delete", "job_x").exit_code) == (2, 2)
