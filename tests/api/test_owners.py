from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.app import create_app
from api.callers import caller_of, followed_job_id
from core.jobs import keys
from core.jobs.ids import job_of, new_job_id, tail_of
from core.jobs.records import JobEnd
from core.services import Services
from tests.api.serving import PretendingWorker, edit, personalize


@pytest.fixture
def foreign(api: httpx.Client, worker: PretendingWorker, services: Services) -> Iterator[str]:
    """The job of somebody else, whose tail is ready."""
    own = services.jobs.spec(personalize(api).json()["id"])
    services.jobs.cancel(own.id)
    job_id = new_job_id()
    spec = own.model_copy(
        update={"id": job_id, "tail_id": tail_of(job_id), "owner": "somebody else", "picture_key": None}
    )
    services.jobs.accept(spec)
    services.jobs.announce(spec)
    worker.succeed(worker.take(job_id))
    return job_id


def told(answer: httpx.Response, id_: str) -> tuple[int, str]:
    """Return all that an answer tells of an id, beside the id."""
    return answer.status_code, answer.text.replace(id_, "ID")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/{job}"),
        ("GET", "/jobs/{job}/events"),
        ("DELETE", "/jobs/{job}"),
        ("DELETE", "/jobs/{job}?purge=true"),
        ("GET", "/tails/{tail}"),
        ("GET", "/tails/{tail}/file"),
        ("DELETE", "/tails/{tail}"),
        ("DELETE", "/tails/{tail}?edits=delete"),
    ],
)
def test_anothers_job_and_tail_are_as_unknown_as_those_that_never_were(
    api: httpx.Client, services: Services, foreign: str, method: str, path: str
) -> None:
    never = new_job_id()

    def ask(job_id: str) -> tuple[int, str]:
        answer = api.request(method, path.format(job=job_id, tail=tail_of(job_id)))
        return told(answer, job_id.removeprefix("job_"))

    assert ask(foreign) == ask(never)
    assert ask(foreign)[0] == 404
    end = services.jobs.end(foreign)
    assert end is not None
    assert end.tail_key is not None
    assert services.storage.head(end.tail_key) is not None


def test_lists_show_nobody_what_is_anothers(api: httpx.Client, foreign: str) -> None:
    own = personalize(api).json()["id"]
    shown = [item["id"] for item in api.get("/jobs", params={"limit": 2}).json()["items"]]
    tails = [item["job_id"] for item in api.get("/tails", params={"limit": 2}).json()["items"]]
    assert (shown[0], foreign in shown, tails[0], foreign in tails) == (own, False, own, False)


def test_an_edit_with_anothers_tail_is_refused_as_with_one_that_never_was(api: httpx.Client, foreign: str) -> None:
    never = new_job_id()
    answers = [told(edit(api, tail_of(job)), tail_of(job)) for job in (foreign, never)]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_what_another_has_deleted_is_not_found_rather_than_gone(
    api: httpx.Client, services: Services, foreign: str
) -> None:
    services.jobs.deletion.tail(tail_of(foreign))
    assert services.jobs.owner(foreign) == "somebody else"
    for path in (f"/jobs/{foreign}", f"/tails/{tail_of(foreign)}"):
        assert (path, api.get(path).status_code) == (path, 404)


def test_a_tombstone_of_the_last_version_belongs_to_the_default_owner(api: httpx.Client, services: Services) -> None:
    tail_id = personalize(api).json()["tail_id"]
    services.jobs.deletion.tail(tail_id)
    tombstone = services.jobs.end(job_of(tail_id))
    assert tombstone is not None
    without = tombstone.model_dump_json(exclude={"owner"})
    services.storage.put(keys.end(job_of(tail_id)), without.encode())
    assert JobEnd.model_validate_json(without).deleted
    assert api.get(f"/tails/{tail_id}").status_code == 410


# What is signed, or tells nothing of anybody.
PUBLIC = {"/", "/files/{key:path}", "/healthz", "/readyz", "/metrics"}
PUBLIC |= {"/docs", "/docs/{name}", "/openapi.json", "/web/{path:path}"}
ASKING = {caller_of, followed_job_id}  # the second asks whoever brings no signature


def test_every_route_asks_who_calls_but_those_that_serve_everybody() -> None:
    """A route that forgets it would show everybody's jobs to all."""
    included = [getattr(part, "original_router", part) for part in create_app().routes]
    routes = [route for part in included for route in getattr(part, "routes", [part]) if isinstance(route, APIRoute)]
    open_ = {route.path for route in routes if not ASKING & asked_by(route.dependant)}
    assert open_ == PUBLIC


def asked_by(dependant: Dependant) -> set[object]:
    """Return every function that is called before a route's own."""
    return {dependant.call}.union(*map(asked_by, dependant.dependencies))
