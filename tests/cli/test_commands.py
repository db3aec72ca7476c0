"""The commands against the real API over TCP, with a worker that only pretends to learn."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from core.jobs.claims import Claims
from core.services import Services
from tests.api.serving import MODEL, PretendingWorker, picture
from tests.api.test_imports import FILE
from tests.support.programs import started


@pytest.fixture
def url(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's URL, also in TAILOR_URL."""
    monkeypatch.setenv("TAILOR_URL", str(api.base_url))
    return str(api.base_url)


@pytest.fixture
def dog(tmp_path: Path) -> str:
    path = tmp_path / "dog.png"
    path.write_bytes(picture())
    return str(path)


def tailor(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def send(dog: str) -> dict[str, str]:
    """Send a personalization without waiting for it."""
    job: dict[str, str] = json.loads(tailor("personalize", dog, "a standing dog", "--no-wait", "--json").stdout)
    return job


def test_personalize_sends_its_options_and_prints_the_tail_as_the_last_line(
    url: str, dog: str, api: httpx.Client
) -> None:
    options = ("--recipe", "paper", "--steps", "12", "--seed", "3")
    done = tailor("personalize", dog, "a standing dog", "--no-wait", *options)
    assert done.exit_code == 0
    tail_id = done.stdout.splitlines()[-1]
    job = api.get(f"/jobs/{tail_id.replace('tail_', 'job_')}").json()
    assert (job["prompt"], job["seed"], job["tail_id"]) == ("a standing dog", 3, tail_id)
    assert (job["parameters"]["recipe"], job["parameters"]["steps"]) == ("paper", 12)


def test_personalize_takes_several_pictures_with_one_prompt_or_one_each(
    url: str, dog: str, tmp_path: Path, api: httpx.Client
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(picture("red"))
    one = tailor("personalize", dog, str(other), "a standing dog", "--no-wait", "--json")
    each = tailor("personalize", dog, str(other), "--prompt", "a dog", "--prompt", "a red dog", "--no-wait", "--json")
    jobs = [api.get(f"/jobs/{json.loads(done.stdout)['id']}").json() for done in (one, each)]
    assert [(job["pictures"], job["prompt"], job["prompts"]) for job in jobs] == [
        (2, "a standing dog", None),
        (2, "a dog", ["a dog", "a red dog"]),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["DOG", "DOG"], "the last word must be the prompt"),
        (["DOG", "no.png", "a dog"], "there is no picture 'no.png'"),
        (["a dog"], "for 0 pictures"),
        (["DOG", "DOG", "DOG", "--prompt", "a dog", "--prompt", "a dog"], "2 prompts are given for 3 pictures"),
    ],
)
def test_pictures_and_prompts_that_do_not_match_are_wrong_usage(
    url: str, dog: str, words: list[str], said: str
) -> None:
    done = tailor("personalize", *[dog if word == "DOG" else word for word in words])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_edit_waits_for_the_end_and_saves_pictures_and_receipt(
    url: str, dog: str, tmp_path: Path, worker: PretendingWorker, services: Services
) -> None:
    learned = send(dog)
    worker.succeed(worker.take(learned["id"]))
    sent: list[Result] = []
    command = ("edit", learned["tail_id"], "a sitting dog", "-n", "2", "-o", str(tmp_path / "out"))
    waiting = threading.Thread(target=lambda: sent.append(tailor(*command)))
    waiting.start()
    claims = Claims(services.jobs, "pretender", lambda: {MODEL.hash})
    while (attempt := claims.take("edit")) is None:
        assert waiting.is_alive()  # the edit is on its way through another thread
    worker.progress(attempt, 1, 2)
    worker.succeed(attempt)
    waiting.join()
    assert sent[0].exit_code == 0
    files = [Path(line) for line in sent[0].stdout.splitlines()]
    assert [file.name for file in files] == [
        f"{attempt.spec.id}_0.png",
        f"{attempt.spec.id}_1.png",
        f"{attempt.spec.id}.json",
    ]
    assert files[0].read_bytes() == picture("red")
    assert json.loads(files[2].read_text()) == {"model": "critters"}


def test_edit_sends_its_options(url: str, dog: str, api: httpx.Client) -> None:
    options = ("--strength", "0.4", "--tail-scale", "1.2", "--guidance-scale", "3", "--steps", "9", "--seed", "5")

    sent = tailor("edit", send(dog)["tail_id"], "a sitting dog", "--no-wait", *options)

    parameters = api.get(f"/jobs/{sent.stdout.strip()}").json()["parameters"]
    names = ("strength", "tail_scale", "guidance_scale", "num_inference_steps")
    assert [parameters[name] for name in names] == [0.4, 1.2, 3, 9]


def test_a_job_that_fails_is_exit_code_1_and_one_line_that_says_why(
    url: str, dog: str, worker: PretendingWorker
) -> None:
    with started("-m", "cli", "personalize", dog, "a standing dog") as process:
        assert process.stderr
        job_id = process.stderr.readline().split()[0]
        worker.fail(worker.take(job_id), "the loss is not finite")
        stdout, stderr = process.communicate()
    assert process.returncode == 1
    assert stdout == ""
    assert stderr.splitlines()[-1] == f"tailor: {job_id} failed: the loss is not finite"


def test_ctrl_c_while_waiting_says_that_the_job_goes_on_and_how_to_look_and_cancel(
    url: str, dog: str, api: httpx.Client
) -> None:
    with started("-m", "cli", "personalize", dog, "a standing dog") as process:
        assert process.stderr
        job_id = process.stderr.readline().split()[0]
        os.kill(process.pid, signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130
    assert f"`tailor status {job_id}`" in stderr
    assert f"`tailor cancel {job_id}`" in stderr
    assert api.get(f"/jobs/{job_id}").json()["status"] == "queued"
    assert "canceled" in tailor("cancel", job_id).stdout


def test_status_shows_a_job_and_the_server(url: str, dog: str) -> None:
    job = send(dog)
    shown = tailor("status", job["id"])
    assert shown.stdout.startswith(f"{job['id']} personalize queued")
    server = json.loads(tailor("status", "--json").stdout)
    assert (server["url"], server["ready"], server["models"]) == (url.rstrip("/"), True, ["critters"])


def test_models_lists_what_the_workers_have_published(url: str) -> None:
    assert tailor("models").stdout.startswith("critters")


def test_a_refused_request_is_exit_code_2_and_the_servers_own_words(url: str, dog: str) -> None:
    done = tailor("personalize", dog, "dog " * 60)
    assert done.exit_code == 2
    assert "27 fit before the tail (422)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_job_is_exit_code_2(url: str) -> None:
    done = tailor("status", "job_" + "0" * 24)
    assert (done.exit_code, "404" in done.stderr) == (2, True)


def test_no_server_is_exit_code_3_and_one_line_that_says_how_to_start_one(dog: str) -> None:
    done = tailor("personalize", dog, "a standing dog", "--url", "http://127.0.0.1:1")
    assert done.exit_code == 3
    assert done.stderr == "tailor: no Tailor server answers at http://127.0.0.1:1; start one with `tailor up`\n"


def test_a_url_without_scheme_is_exit_code_2() -> None:
    done = tailor("status", "--url", "localhost:8000")
    assert (done.exit_code, "http://" in done.stderr) == (2, True)


@pytest.mark.parametrize("url", ["http://", "http://[", "http://host:port", "http://\x00"])
def test_a_malformed_url_is_exit_code_2_and_one_line(url: str) -> None:
    done = tailor("status", "--url", url)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "is not the URL of a server" in done.stderr


@pytest.mark.parametrize("command", [["edit", "tail_x", "a dog"], ["fetch", "job_x"]])
def test_a_folder_that_can_not_be_written_to_is_said_before_anything_is_asked_of_the_server(
    command: list[str], dog: str
) -> None:
    done = tailor(*command, "-o", f"{dog}/out", "--url", "http://127.0.0.1:1")
    assert (done.exit_code, done.stderr) == (2, f"tailor: can't write to {dog}/out: Not a directory\n")


def test_what_a_job_has_made_can_be_fetched_later(url: str, dog: str, tmp_path: Path, worker: PretendingWorker) -> None:
    learned = send(dog)
    worker.succeed(worker.take(learned["id"]))
    job = json.loads(tailor("edit", learned["tail_id"], "a sitting dog", "-n", "2", "--no-wait", "--json").stdout)
    worker.succeed(worker.take(job["id"], "edit"))
    edited = tailor("fetch", job["id"], "-o", str(tmp_path / "edited")).stdout.splitlines()
    assert [Path(line).name for line in edited] == [f"{job['id']}_0.png", f"{job['id']}_1.png", f"{job['id']}.json"]
    assert Path(edited[1]).read_bytes() == picture("red")
    tail, receipt = tailor("fetch", learned["id"], "-o", str(tmp_path / "learned")).stdout.splitlines()
    assert Path(tail).name == f"{learned['tail_id']}.safetensors"
    assert Path(tail).read_bytes() == b"tail bytes"
    assert "tail_sha256" in json.loads(Path(receipt).read_text())


def test_a_sweeps_grid_is_fetched_with_its_pictures(
    url: str, dog: str, tmp_path: Path, worker: PretendingWorker, api: httpx.Client
) -> None:
    learned = send(dog)
    worker.succeed(worker.take(learned["id"]))
    fields = {"tail_id": learned["tail_id"], "prompt": "a dog", "sweep": {"seed": [1, 2]}}
    job_id = api.post("/edit", json=fields).json()["id"]
    worker.succeed(worker.take(job_id, "edit"))

    files = tailor("fetch", job_id, "-o", str(tmp_path / "swept")).stdout.splitlines()

    assert [Path(line).name.removeprefix(job_id) for line in files] == ["_0.png", "_1.png", "_grid.png", ".json"]
    assert Path(files[2]).read_bytes() == picture("red")


def test_nothing_can_be_fetched_of_a_job_that_failed(
    url: str, dog: str, tmp_path: Path, worker: PretendingWorker
) -> None:
    job = send(dog)
    worker.fail(worker.take(job["id"]), "the loss is not finite")
    done = tailor("fetch", job["id"], "-o", str(tmp_path))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == f"tailor: {job['id']} failed: the loss is not finite"


@pytest.mark.parametrize(("command", "code"), [("up", 3), ("demo", 3)])
def test_a_data_folder_that_is_a_file_is_said_in_one_line(dog: str, tmp_path: Path, command: str, code: int) -> None:
    for data in (dog, f"{dog}/data"):
        done = tailor(command, "--data", data)
        assert (done.exit_code, len(done.stderr.splitlines())) == (code, 1)
        assert f"can't write to {data}" in done.stderr


def test_a_tails_file_that_was_fetched_is_taken_in_again(url: str, tmp_path: Path) -> None:
    file = tmp_path / "tail.safetensors"
    file.write_bytes(FILE)

    made = tailor("import", str(file), "--url", url)

    assert made.exit_code == 0, made.output
    assert re.fullmatch(r"tail_[0-9a-f]{24}", made.stdout.strip())
    refused = tailor("import", str(Path(__file__)), "--url", url)
    assert (refused.exit_code, "no safetensors file" in refused.stderr) == (2, True)
