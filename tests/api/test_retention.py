"""What is not to be kept any longer is deleted by itself, by the fleet's time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from core.clock import FleetClock
from core.config import Settings
from core.errors import GoneError
from core.jobs import keys
from core.jobs.keeping import expiry
from core.jobs.keeping.expiry import EXPIRING, Expiry
from core.jobs.keeping.terms import check_not_expired
from core.services import Services, open_services
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize, publish, serving_settings
from tests.support.flaky_storage import FlakyStorage
from tests.support.redis_server import redis_server

DAY_S = 86_400


@dataclass
class Keeper:
    """A server that keeps jobs for a day, and a process that looks after them whenever a test says so."""

    api: httpx.Client
    services: Services
    worker: PretendingWorker

    def learned(self, **fields: Any) -> dict[str, Any]:
        job: dict[str, Any] = personalize(self.api, **fields).json()
        self.worker.succeed(self.worker.take(job["id"]))
        return job

    def edited(self, tail_id: str, **fields: Any) -> dict[str, Any]:
        job: dict[str, Any] = edit(self.api, tail_id, **fields).json()
        self.worker.succeed(self.worker.take(job["id"], "edit"))
        return job

    def expire(self, *, after_s: float) -> None:
        """Do what the leader does so many seconds from now."""
        store = self.services.jobs
        now_s, store.clock = store.clock.now_s(), FleetClock(lambda: now_s + after_s)
        Expiry(store, self.services.reconciler._guarded).go_on()
        store.clock = self.services.clock

    def status(self, path: str) -> int:
        return self.api.get(path).status_code

    def due(self) -> list[str]:
        return [info.key for info in self.services.storage.list(EXPIRING)]


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    with redis_server() as redis:
        settings = serving_settings(tmp_path / "storage", redis.url, retention=DAY_S)
        services = open_services(settings)
        publish(services)
        with api_server(settings) as api:
            yield Keeper(api, services, PretendingWorker(services))


def test_an_edit_goes_when_its_time_is_over_and_not_before(keeper: Keeper) -> None:
    tail_id = keeper.learned()["tail_id"]
    job = keeper.edited(tail_id, ttl=3600)
    seen = keeper.api.get(f"/jobs/{job['id']}").json()
    ended, expires = (datetime.fromisoformat(seen[name]) for name in ("ended_at", "expires_at"))
    assert expires - ended == timedelta(hours=1)

    keeper.expire(after_s=3500)
    assert keeper.status(f"/jobs/{job['id']}") == 200
    keeper.expire(after_s=3700)

    gone = check(keeper.api.get(f"/jobs/{job['id']}"), 410, "gone")
    assert "expired" in gone["detail"]
    assert [info.key for info in keeper.services.storage.list(keys.job(job["id"]))] == [keys.end(job["id"])]
    assert [item["id"] for item in keeper.api.get("/jobs", params={"kind": "edit"}).json()["items"]] == []
    assert httpx.get(seen["results"][0]["url"]).status_code == 404
    assert keeper.status(f"/tails/{tail_id}") == 200


def test_the_servers_retention_holds_for_what_says_nothing(keeper: Keeper) -> None:
    tail = keeper.learned()
    seen = keeper.api.get(f"/tails/{tail['tail_id']}").json()
    assert seen["expires_at"] == keeper.api.get(f"/jobs/{tail['id']}").json()["expires_at"] is not None

    keeper.expire(after_s=DAY_S + 60)

    assert keeper.status(f"/tails/{tail['tail_id']}") == 410
    assert keeper.due() == []


def test_what_has_not_ended_does_not_expire(keeper: Keeper) -> None:
    job = personalize(keeper.api, ttl="60").json()
    assert job["expires_at"] is None
    keeper.expire(after_s=10 * DAY_S)
    assert keeper.status(f"/jobs/{job['id']}") == 200
    keeper.api.delete(f"/jobs/{job['id']}")
    assert keeper.api.get(f"/jobs/{job['id']}").json()["expires_at"] is not None


def test_a_tail_stays_until_the_edits_have_ended_that_were_accepted_in_time(keeper: Keeper) -> None:
    tail = keeper.learned(ttl="60")
    waiting = edit(keeper.api, tail["tail_id"]).json()
    for after_s in (100, 200, 4000):  # the job's entry is there, whatever its age
        keeper.expire(after_s=after_s)
        assert keeper.status(f"/tails/{tail['tail_id']}") == 200
    keeper.worker.succeed(keeper.worker.take(waiting["id"], "edit"))

    keeper.expire(after_s=5000)

    assert keeper.status(f"/tails/{tail['tail_id']}") == 410
    assert [key for key in keeper.due() if tail["id"] in key] == []
    assert keeper.status(f"/jobs/{waiting['id']}") == 200


def test_a_tail_whose_time_is_over_takes_no_new_edits(keeper: Keeper) -> None:
    spec, end = keeper.services.jobs.tail_end(keeper.learned(ttl="60")["tail_id"])
    assert end
    check_not_expired(spec, end, end.ended_at)
    with pytest.raises(GoneError, match="expired"):
        check_not_expired(spec, end, end.ended_at + timedelta(seconds=60))


def test_what_was_deleted_before_its_time_leaves_no_note_of_it(keeper: Keeper) -> None:
    tail = keeper.learned()
    keeper.api.delete(f"/tails/{tail['tail_id']}")
    assert keeper.due() == []


def test_many_that_are_due_go_in_turns_the_earliest_first(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "MOST_AT_ONCE", 2)
    tail_id = keeper.learned()["tail_id"]
    jobs = [keeper.edited(tail_id, ttl=ttl)["id"] for ttl in (900, 300, 600)]
    keeper.expire(after_s=1000)
    assert [keeper.status(f"/jobs/{id_}") for id_ in jobs] == [200, 410, 410]
    keeper.expire(after_s=1000)
    assert keeper.status(f"/jobs/{jobs[0]}") == 410
    assert keeper.status(f"/tails/{tail_id}") == 200


def test_an_expiry_that_was_cut_off_is_done_again(keeper: Keeper) -> None:
    job = keeper.edited(keeper.learned()["tail_id"], ttl=60)
    store = keeper.services.jobs
    whole = store.storage
    store.storage = FlakyStorage(whole, fails=lambda call, key: call == "delete" and ".ended-" in key)  # type: ignore[assignment]
    with pytest.raises(Exception, match="away"):
        keeper.expire(after_s=100)
    store.storage = whole
    keeper.expire(after_s=100)
    assert [info.key for info in keeper.services.storage.list(keys.job(job["id"]))] == [keys.end(job["id"])]
    assert [key for key in keeper.due() if job["id"] in key] == []


@pytest.mark.parametrize(("ttl", "limit"), [(DAY_S + 1, DAY_S), (59, 60), ("soon", None)])
def test_a_ttl_is_within_the_servers_retention(keeper: Keeper, ttl: Any, limit: int | None) -> None:
    document = check(personalize(keeper.api, ttl=str(ttl)), 422, "invalid-input", "ttl")
    assert document.get("limit") == limit


def test_nothing_expires_unless_somebody_says_so(api: httpx.Client, worker: PretendingWorker) -> None:
    job = personalize(api).json()
    worker.succeed(worker.take(job["id"]))
    assert api.get(f"/jobs/{job['id']}").json()["expires_at"] is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("604800", 604_800.0), ("7d", 604_800.0), ("P7D", 604_800.0), ("12:00:00", 43_200.0), ("", None)],
)
def test_retention_is_said_in_seconds_or_as_a_duration(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    monkeypatch.setenv("TAILOR_RETENTION", text)
    assert Settings(_env_file=None).retention == seconds


@pytest.mark.parametrize("text", ["a week", "5", "-7d"])
def test_a_retention_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TAILOR_RETENTION", text)
    with pytest.raises(ValidationError, match="retention"):
        Settings(_env_file=None)
