"""Deletion can be verified: after it every object in storage and everything in Redis is looked through."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from core.jobs import keys
from core.jobs.ids import tail_of
from core.jobs.records import DEFAULT_OWNER, KINDS
from core.live.names import nudges_key
from core.services import Services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, edit, personalize


@pytest.fixture
def word() -> str:
    """A word that only this test has in its prompts, labels and files."""
    return f"waldo{secrets.token_hex(8)}"


def everything(services: Services) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of all that is kept anywhere: every object, every key of Redis."""
    for info in services.storage.list(""):
        yield info.key, services.storage.get(info.key).decode("latin-1")
    client: Any = services.live.client
    client.delete(*map(nudges_key, KINDS))  # nudges, which only say an id: here no worker hears them
    read: dict[str, Callable[[str], Any]] = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
        "list": lambda key: client.lrange(key, 0, -1),
        "stream": client.xrange,
    }
    for key in client.scan_iter():
        yield f"redis {key}", repr(read[client.type(key)](key))


def traces(services: Services, *parts: str) -> set[str]:
    """Return the names of all that has one of these parts in its name or content."""
    return {name for name, content in everything(services) if any(part in name or part in content for part in parts)}


def learned(api: httpx.Client, worker: PretendingWorker, word: str) -> dict[str, Any]:
    """Return a personalization that has made its tail, and has left a checkpoint."""
    job: dict[str, Any] = personalize(api, prompt=f"a {word}", labels=json.dumps({"name": word})).json()
    worker.succeed(worker.take(job["id"]), f"learned of {word}".encode())
    checkpoint = keys.output(job["id"], 1, "checkpoint-00000005.safetensors")
    worker.services.storage.put(checkpoint, f"half of {word}".encode())
    return job


def edited(api: httpx.Client, worker: PretendingWorker, tail_id: str, word: str) -> dict[str, Any]:
    job: dict[str, Any] = edit(api, tail_id, prompt=f"a sitting {word}").json()
    worker.succeed(worker.take(job["id"], "edit"))
    return job


def test_of_a_deleted_tail_nothing_is_left_but_its_tombstone_and_its_edits_stay(
    api: httpx.Client, worker: PretendingWorker, services: Services, word: str
) -> None:
    job = learned(api, worker, word)
    api.patch(f"/tails/{job['tail_id']}", json={"labels": {"name": f"not {word}"}})
    made = edited(api, worker, job["tail_id"], word)
    size = sum(info.size for info in services.storage.list(keys.job(job["id"])) if info.key != keys.end(job["id"]))

    deleted = api.delete(f"/tails/{job['tail_id']}").json()

    assert (deleted["jobs"], deleted["bytes"]) == ([job["id"]], size)
    of_the_edit = traces(services, made["id"].removeprefix("job_"))
    assert traces(services, job["id"].removeprefix("job_")) - of_the_edit == {keys.end(job["id"])}
    tombstone = json.loads(services.storage.get(keys.end(job["id"])))
    kept = {name: value for name, value in tombstone.items() if value and name not in ("schema_version", "ended_at")}
    went = {"gone_objects": deleted["objects"], "gone_bytes": size}
    assert kept == {"job_id": job["id"], "status": "canceled", "deleted": True, "owner": DEFAULT_OWNER} | went
    assert traces(services, word) == of_the_edit & traces(services, word)
    assert api.get(f"/jobs/{made['id']}").json()["status"] == "succeeded"
    check(edit(api, job["tail_id"]), 410, "gone")


def test_of_a_tail_that_is_deleted_with_its_edits_nothing_is_left_but_tombstones(
    api: httpx.Client, worker: PretendingWorker, services: Services, word: str
) -> None:
    job = learned(api, worker, word)
    jobs = [
        job["id"],
        edited(api, worker, job["tail_id"], word)["id"],
        edit(api, job["tail_id"], prompt=word).json()["id"],
    ]

    deleted = api.delete(f"/tails/{job['tail_id']}", params={"edits": "delete"}).json()

    assert sorted(deleted["jobs"]) == sorted(jobs)
    left = traces(services, *(id_.removeprefix("job_") for id_ in jobs))
    assert left == {keys.end(id_) for id_ in jobs} | {keys.doubt(jobs[2])}  # it had not ended: it is swept once more
    assert traces(services, word) == set()
    assert [api.get(f"/jobs/{id_}").status_code for id_ in jobs] == [410] * 3


def test_edits_can_follow_a_tail_that_was_deleted_before_them(
    api: httpx.Client, worker: PretendingWorker, services: Services, word: str
) -> None:
    job = learned(api, worker, word)
    made = edited(api, worker, job["tail_id"], word)
    api.delete(f"/tails/{job['tail_id']}")

    deleted = api.delete(f"/tails/{job['tail_id']}", params={"edits": "delete"}).json()

    assert deleted["jobs"] == [job["id"], made["id"]]  # the tail's once more, as the first answer may have been lost
    assert traces(services, made["id"].removeprefix("job_")) == {keys.end(made["id"])}


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "canceled"])
def test_an_edit_is_deleted_whatever_its_state(
    api: httpx.Client, worker: PretendingWorker, services: Services, state: str, word: str
) -> None:
    job = learned(api, worker, word)
    made = edit(api, job["tail_id"], prompt=word).json()
    attempt = worker.take(made["id"], "edit") if state in ("running", "succeeded") else None
    if state == "succeeded" and attempt:
        worker.succeed(attempt)
    if state == "canceled":
        api.delete(f"/jobs/{made['id']}")

    deleted = api.delete(f"/jobs/{made['id']}", params={"purge": True}).json()

    assert deleted["jobs"] == [made["id"]]
    doubt = set() if state == "succeeded" else {keys.doubt(made["id"])}  # a worker may be at it: it is swept once more
    assert traces(services, made["id"].removeprefix("job_")) == {keys.end(made["id"])} | doubt
    check(api.get(f"/jobs/{made['id']}"), 410, "gone")
    again = api.delete(f"/jobs/{made['id']}", params={"purge": True}).json()
    assert again == deleted  # its first answer may have been lost
    assert again["objects"] > 0


def test_a_personalization_that_is_purged_takes_its_tail_with_it(
    api: httpx.Client, worker: PretendingWorker, word: str
) -> None:
    job = learned(api, worker, word)
    api.delete(f"/jobs/{job['id']}", params={"purge": True})
    check(api.get(f"/tails/{tail_of(job['id'])}"), 410, "gone")


def test_what_was_never_there_cannot_be_deleted(api: httpx.Client) -> None:
    check(api.delete(f"/jobs/job_{'0' * 24}", params={"purge": True}), 404, "not-found")
    check(api.delete(f"/tails/tail_{'0' * 24}"), 404, "not-found")


def test_what_becomes_of_the_edits_is_said_in_one_of_two_words(api: httpx.Client) -> None:
    tail_id = personalize(api).json()["tail_id"]
    check(api.delete(f"/tails/{tail_id}", params={"edits": "some"}), 422, "invalid-input", "edits")
    assert api.get(f"/tails/{tail_id}").status_code == 200
