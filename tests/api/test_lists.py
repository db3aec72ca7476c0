"""Lists of jobs and tails: pages that hold still while others write and delete, filters, labels."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.config import Settings
from core.jobs.lists import pages
from core.services import Services, open_services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize, publish, serving_settings
from tests.support.redis_server import redis_server


@dataclass
class House:
    """A server of its own: nobody else's jobs are in its lists."""

    api: httpx.Client
    settings: Settings
    services: Services
    worker: PretendingWorker

    def tail(self, **fields: Any) -> dict[str, Any]:
        """Return the job of a tail that is ready."""
        job: dict[str, Any] = personalize(self.api, **fields).json()
        self.worker.succeed(self.worker.take(job["id"]))
        return job

    def walk(self, path: str, **asked: Any) -> list[str]:
        """Return the ids of all pages."""
        found, asked = [], asked | {"limit": asked.get("limit", 100)}
        while True:
            answer = self.api.get(path, params=asked)
            assert answer.status_code == 200, answer.text
            found += [item["id"] for item in answer.json()["items"]]
            if (cursor := answer.json()["next_cursor"]) is None:
                return found
            asked["cursor"] = cursor


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with redis_server() as redis:
        settings = serving_settings(tmp_path / "storage", redis.url)
        services = open_services(settings)
        publish(services)
        with api_server(settings) as api:
            yield House(api, settings, services, PretendingWorker(services))


def test_a_list_shows_each_job_once_the_newest_first_as_its_own_page_does(house: House) -> None:
    tail = house.tail()
    edits = [edit(house.api, tail["tail_id"]).json() for _ in range(4)]
    expected = [job["id"] for job in reversed([tail, *edits])]

    assert house.walk("/jobs", limit=2) == expected
    assert house.walk("/jobs") == expected
    items = house.api.get("/jobs").json()["items"]
    shown = house.api.get(f"/jobs/{tail['id']}").json()
    assert (items[-1]["status"], items[-1]["receipt"]) == (shown["status"], shown["receipt"])
    assert [item["status"] for item in items[:-1]] == ["queued"] * 4


def test_an_empty_house_has_empty_lists(house: House) -> None:
    for path in ("/jobs", "/tails"):
        assert house.api.get(path).json() == {"items": [], "next_cursor": None}


def test_pages_go_on_where_they_were_while_others_write_and_delete(house: House) -> None:
    tail = house.tail()
    old = [edit(house.api, tail["tail_id"]).json()["id"] for _ in range(12)]
    first = house.api.get("/jobs", params={"limit": 4, "kind": "edit"}).json()
    seen = [item["id"] for item in first["items"]]
    deleted = [seen[-1], old[3]]  # the one that the cursor points at, and one that is yet to come

    with ThreadPoolExecutor(8) as pool:
        new = [pool.submit(edit, house.api, tail["tail_id"]) for _ in range(8)]
        gone = [pool.submit(house.api.delete, f"/jobs/{id_}", params={"purge": True}) for id_ in deleted]
        rest = house.walk("/jobs", limit=4, kind="edit", cursor=first["next_cursor"])
        assert [answer.result().status_code for answer in (*new, *gone)] == [202] * 8 + [200] * 2

    assert seen == old[:-5:-1]
    assert [id_ for id_ in rest if id_ not in deleted] == [id_ for id_ in old[-5::-1] if id_ not in deleted]
    assert house.walk("/jobs", limit=5, kind="edit")[8:] == [id_ for id_ in reversed(old) if id_ not in deleted]


def test_lists_are_there_when_redis_has_lost_its_memory_and_when_it_is_away(house: House) -> None:
    tail = house.tail()
    running = edit(house.api, tail["tail_id"]).json()
    before = house.walk("/jobs"), house.walk("/tails")

    house.services.live.client.flushall()
    assert (house.walk("/jobs"), house.walk("/tails")) == before
    assert house.walk("/jobs", status="succeeded") == [tail["id"]]

    house.services.live.client.shutdown(nosave=True)
    assert (house.walk("/jobs"), house.walk("/tails")) == before
    assert house.walk("/jobs", status="queued") == [running["id"]]


def test_a_list_can_be_narrowed_down(house: House) -> None:
    dog, cat = house.tail(labels='{"name": "Rex", "team": "a"}'), house.tail(labels='{"name": "Tom"}')
    failed = personalize(house.api).json()
    house.worker.fail(house.worker.take(failed["id"]), "the loss was not finite")
    sitting = edit(house.api, dog["tail_id"], labels={"team": "a"}).json()
    standing = edit(house.api, cat["tail_id"]).json()
    house.api.delete(f"/jobs/{standing['id']}")

    def jobs(**asked: Any) -> list[str]:
        return house.walk("/jobs", **asked)

    assert jobs(kind="personalize") == [failed["id"], cat["id"], dog["id"]]
    assert jobs(kind="edit") == [standing["id"], sitting["id"]]
    assert jobs(status="failed") == [failed["id"]]
    assert jobs(status=["canceled", "queued"]) == [standing["id"], sitting["id"]]
    assert jobs(status=["waiting", "queued", "running"]) == [sitting["id"]]
    assert jobs(tail_id=dog["tail_id"]) == [sitting["id"]]
    assert jobs(tail_id=dog["tail_id"], kind="personalize") == []
    assert jobs(label="team:a") == [sitting["id"], dog["id"]]
    assert jobs(label=["team:a", "name:Rex"]) == [dog["id"]]
    assert jobs(label="team:b") == []
    assert house.walk("/tails", label="name:Tom") == [cat["tail_id"]]
    assert house.walk("/tails", status="failed") == [failed["tail_id"]]


def test_what_hardly_any_job_meets_is_looked_for_in_several_requests(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_PASSED", 3)
    tail = house.tail()
    for _ in range(8):
        house.api.delete(f"/jobs/{edit(house.api, tail['tail_id']).json()['id']}")

    first = house.api.get("/jobs", params={"status": "succeeded"}).json()

    assert (first["items"], first["next_cursor"] is None) == ([], False)
    assert house.walk("/jobs", status="succeeded") == [tail["id"]]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"cursor": "somewhere"}, "cursor"),
        ({"cursor": "Li4vLi4vc2VjcmV0"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"status": "done"}, "status"),
        ({"state": "failed"}, "state"),
        ({"kind": "video"}, "kind"),
        ({"tail_id": "tail_1/../.."}, "tail_id"),
        ({"label": "Rex"}, "label"),
        ({"label": "a b:c"}, "label"),
    ],
)
def test_what_no_list_can_be_asked_is_refused_by_name(api: httpx.Client, asked: dict[str, Any], field: str) -> None:
    document = check(api.get("/jobs", params=asked), 422, "invalid-input")
    assert document["field"].split(".")[0] == field


def test_labels_are_shown_and_belong_to_the_request(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "labels belong to the request"}
    job = personalize(api, headers=key, labels='{"name": "Rex"}').json()
    assert job["labels"] == api.get(f"/jobs/{job['id']}").json()["labels"] == {"name": "Rex"}
    assert api.get(f"/tails/{job['tail_id']}").json()["labels"] == {"name": "Rex"}
    assert personalize(api, headers=key, labels='{"name": "Rex"}').json()["id"] == job["id"]
    check(personalize(api, headers=key, labels='{"name": "Tom"}'), 422, "idempotency-conflict")


@pytest.mark.parametrize(
    ("labels", "limit"),
    [
        ({f"label-{i}": "x" for i in range(9)}, 8),
        ({"name": "x" * 101}, 100),
        ({"name": ""}, None),
        ({"name": "a\nb"}, None),
        ({"x" * 33: "x"}, 32),
        ({"": "x"}, None),
        ({"a b": "x"}, None),
        ({"name": 5}, None),
        (["name"], None),
    ],
)
def test_labels_are_few_and_short(api: httpx.Client, labels: Any, limit: int | None) -> None:
    tail_id = personalize(api).json()["tail_id"]
    document = check(edit(api, tail_id, labels=labels), 422, "invalid-input")
    assert document["field"].split(".")[0] == "labels"
    assert document.get("limit") == limit


def test_a_forms_labels_must_be_an_object(api: httpx.Client) -> None:
    document = check(personalize(api, labels="name=Rex"), 422, "invalid-input", "labels")
    assert '{"name": "Rex"}' in document["detail"]


def test_a_tail_can_be_renamed_and_is_found_by_its_new_name_only(house: House) -> None:
    tail_id = house.tail(labels='{"name": "Rex", "team": "a"}')["tail_id"]

    answer = house.api.patch(f"/tails/{tail_id}", json={"labels": {"name": "Max", "team": None, "color": "brown"}})

    assert answer.json()["labels"] == {"name": "Max", "color": "brown"}
    assert house.api.get(f"/tails/{tail_id}").json()["labels"] == {"name": "Max", "color": "brown"}
    assert house.api.get("/tails").json()["items"][0]["labels"] == {"name": "Max", "color": "brown"}
    assert house.walk("/tails", label="name:Max") == [tail_id]
    assert house.walk("/tails", label="name:Rex") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "labels"),
        ({"labels": {"name": 5}}, "labels"),
        ({"name": "Rex"}, "name"),
        ({"labels": {"a b": "c"}}, "labels"),
    ],
)
def test_new_labels_are_checked_like_the_first(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    tail_id = personalize(api).json()["tail_id"]
    document = check(api.patch(f"/tails/{tail_id}", json=body), 422, "invalid-input")
    assert field in [error["field"].split(".")[0] for error in document.get("errors", [document])]


def test_labels_of_no_tail_are_not_found(api: httpx.Client) -> None:
    check(api.patch(f"/tails/tail_{'0' * 24}", json={"labels": {}}), 404, "not-found")
