"""GET /limits tells the limits that problems name."""

from __future__ import annotations

import base64
import dataclasses
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from core.access.keyring import Keyring
from core.clock import utc_now
from core.config import Settings
from core.jobs.keeping.usage import Usage
from core.limits import Rate
from core.services import Services
from tests.api.problems import check
from tests.api.serving import MODEL, PretendingWorker, api_server, edit, personalize, picture

SMALL: dict[str, Any] = {
    "require_keys": "always",
    "max_picture_bytes": 300_000,
    "max_picture_pixels": 10_000,
    "max_pictures": 2,
    "max_prompt_chars": 60,
    "max_steps": 500,
    "max_num_images": 2,
    "max_edits": 1,
    "max_tails": 2,
    "max_sweep": 3,
    "max_labels": 1,
    "max_label_chars": 5,
    "max_tail_bytes": 3000,
    "max_open_per_owner": 4,
    "max_bytes_per_owner": 30_000,
    "retention": 3600.0,
    "rate_submissions": Rate(500, 3600),
    "rate_requests": Rate(500, 3600),
}
URI = "data:image/png;base64," + base64.b64encode(picture()).decode()


@dataclass(frozen=True)
class Wrong:
    """A request that is over a limit, and the limit's name in GET /limits."""

    limit: str
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    field: str | None = None
    files: Any = None
    path: str = "/personalize"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


def png(side: int = 80, more: int = 0) -> tuple[str, bytes]:
    return "dog.png", picture(size=(side, side)) + b"\0" * more


OVER = [
    Wrong("picture_bytes", files={"picture": png(more=300_000)}, field="picture"),
    Wrong("picture_bytes", files=[("picture", png(more=160_000)), ("picture", png(more=160_000))], field="picture[1]"),
    Wrong("picture_pixels", files={"picture": png(120)}, field="picture"),
    Wrong("picture_pixels", files=[("picture", png(80)), ("picture", png(80))], field="picture[1]"),
    Wrong("picture_side", files={"picture": png(8)}, field="picture"),
    Wrong("pictures", files=[("picture", png())] * 3, field="picture"),
    Wrong("body_bytes", files={"picture": png(more=600_000)}),
    Wrong("json_bytes_beside_pictures", {"prompt": "x" * 300_000, "picture": URI}),
    Wrong("form_fields", {f"field{n}": "" for n in range(60)}, files={"picture": png()}),
    Wrong("tail_bytes", files={"file": ("tail", b"\0" * 3001)}, path="/tails", field="file"),
    Wrong("tail_body_bytes", files={"file": ("tail", b"\0" * 100_000)}, path="/tails"),
    Wrong("prompt_chars", {"prompt": "d" * 61, "picture": URI}, "prompt"),
    Wrong("steps", {"steps": 501, "picture": URI}, "steps"),
    Wrong("edits", {"edits": [{"prompt": "a dog"}] * 2, "picture": URI}, "edits"),
    Wrong("num_images", {"num_images": 3}, "num_images", path="/edit"),
    Wrong("tails", {"tails": [{"id": f"tail_{n:024}"} for n in range(3)]}, "tails", path="/edit"),
    Wrong("sweep", {"sweep": {"seed": [1, 2, 3, 4]}}, "sweep", path="/edit"),
    Wrong("labels", {"labels": {"a": "b", "c": "d"}, "picture": URI}, "labels"),
    Wrong("label_chars", {"labels": {"a": "b" * 6}, "picture": URI}, "labels"),
    Wrong("label_name_chars", {"labels": {"a" * 33: "b"}, "picture": URI}, "labels"),
    Wrong("retention", {"ttl": 3601, "picture": URI}, "ttl"),
    Wrong("idempotency_key_chars", {"picture": URI}, "Idempotency-Key", headers={"Idempotency-Key": "k" * 256}),
]
# Limits that other tests of this module reach, those whose problems other modules see, and those that cause none.
ELSEWHERE = {"open_jobs", "stored_bytes", "rate_submissions", "rate_requests"}
ELSEWHERE |= {"queued_jobs", "pixels_in_flight", "body_bytes_in_flight", "label_body_bytes", "items", "delivery_rounds"}
ELSEWHERE |= {"picture_url_fetches", "picture_url_redirects", "picture_url_timeout", "decode_wait", "deadline"}
ELSEWHERE |= {"connections", "head_timeout", "body_timeout"}
NO_PROBLEM = {"inline_bytes", "wait", "url_ttl", "webhook_timeout", "idle_timeout", "body_rate", "unread_timeout"}


@pytest.fixture(scope="module")
def strict(settings: Settings, services: Services) -> Iterator[httpx.Client]:
    with api_server(settings.model_copy(update=SMALL)) as client:
        yield client


def as_owner(strict: httpx.Client, services: Services, owner: str) -> httpx.Client:
    _, key = Keyring(services.storage).create(f"key-{secrets.token_hex(4)}", ("submit", "read"), utc_now(), owner=owner)
    return httpx.Client(base_url=strict.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30)


@pytest.fixture(scope="module")
def owner(strict: httpx.Client, services: Services) -> httpx.Client:
    return as_owner(strict, services, "over-limits")


@pytest.fixture(scope="module")
def tail_id(owner: httpx.Client) -> str:
    return str(personalize(owner).json()["tail_id"])


@pytest.fixture(scope="module")
def limits(owner: httpx.Client) -> dict[str, dict[str, Any]]:
    answer = owner.get("/limits")
    assert answer.status_code == 200
    return dict(answer.json()["limits"])


def sent(api: httpx.Client, wrong: Wrong, tail_id: str) -> httpx.Response:
    fields: dict[str, Any] = {"prompt": "a dog"} | wrong.fields
    if wrong.path == "/edit" and "tails" not in fields:
        fields["tail_id"] = tail_id
    if wrong.files is None:
        return api.post(wrong.path, json=fields, headers=wrong.headers)
    return api.post(wrong.path, data=fields, files=wrong.files, headers=wrong.headers)


@pytest.mark.parametrize("wrong", OVER, ids=lambda wrong: f"{wrong.limit} {wrong.field or 'body'}")
def test_a_problem_names_field_limit_and_setting_as_the_list_does(
    owner: httpx.Client, limits: dict[str, dict[str, Any]], tail_id: str, wrong: Wrong
) -> None:
    answer = sent(owner, wrong, tail_id)
    assert 400 <= answer.status_code < 500
    problem, listed = answer.json(), limits[wrong.limit]
    assert problem.get("limit") == listed["limit"], problem
    assert problem.get("setting") == listed["setting"], problem
    assert problem.get("field") == wrong.field
    if wrong.field:
        assert wrong.field.partition("[")[0] == (listed["field"] or wrong.field)


def test_every_limit_is_reached_by_a_test_or_known_to_cause_no_problem(limits: dict[str, Any]) -> None:
    assert {wrong.limit for wrong in OVER} | ELSEWHERE | NO_PROBLEM == set(limits)


def test_what_a_setting_says_is_what_is_listed(limits: dict[str, dict[str, Any]], settings: Settings) -> None:
    own = settings.model_copy(update=SMALL)
    for name, limit in limits.items():
        if limit["setting"] and name not in ("body_bytes", "tail_body_bytes"):
            value = getattr(own, limit["setting"].removeprefix("TAILOR_").lower())
            expected = [value.quota, value.window_s] if isinstance(value, Rate) else [value, None]
            assert [limit["limit"], limit["window_s"]] == expected, name


def test_quotas_are_listed_with_what_was_used(
    strict: httpx.Client, services: Services, worker: PretendingWorker
) -> None:
    pia = as_owner(strict, services, "pia")
    jobs = [personalize(pia).json() for _ in range(2)]
    worker.succeed(worker.take(jobs[0]["id"]), b"t" * 40_000)
    listed = pia.get("/limits").json()["limits"]
    assert (listed["open_jobs"]["used"], listed["open_jobs"]["limit"]) == (1, 4)
    assert listed["stored_bytes"]["used"] > 40_000
    problem = check(personalize(pia), 403, "storage-quota-exceeded")
    for member in ("limit", "used", "setting"):
        assert problem[member] == listed["stored_bytes"][member]


def test_open_jobs_and_rates_are_named_as_they_are_listed(strict: httpx.Client, services: Services) -> None:
    ria = as_owner(strict, services, "ria")
    assert [personalize(ria).status_code for _ in range(4)] == [202] * 4
    listed, problem = ria.get("/limits").json()["limits"], check(personalize(ria), 429, "quota-exceeded")
    assert (problem["limit"], problem["setting"], problem["under_way"]) == (4, "TAILOR_MAX_OPEN_PER_OWNER", 4)
    assert listed["open_jobs"]["used"] == 4
    services.live.client.set("{tailor}:rate:submissions:owner:ria", services.live.time_s() * 1000 + 10**9)
    problem = check(personalize(ria), 429, "rate-limited")
    listed = ria.get("/limits").json()["limits"]["rate_submissions"]
    assert [problem[name] for name in ("limit", "window_s", "setting")] == [
        listed[name] for name in ("limit", "window_s", "setting")
    ]


@pytest.mark.parametrize("kind", ["personalize", "edit"])
def test_a_parameter_is_refused_beyond_the_bounds_that_are_listed(
    strict: httpx.Client, services: Services, kind: str
) -> None:
    owner = as_owner(strict, services, f"bounds-{kind}")
    tail_id = personalize(owner).json()["tail_id"]
    bounds = owner.get("/limits").json()["parameters"][kind]
    assert {"personalize": "learning_rate", "edit": "guidance_scale"}[kind] in bounds
    base = {"prompt": "a dog"} | ({"picture": URI} if kind == "personalize" else {"tail_id": tail_id})
    for name, listed in bounds.items():
        for word, bound in listed.items():
            step = 1 if word.endswith("aximum") else -1
            problem = check(owner.post(f"/{kind}", json=base | {name: bound + step}), 422, "invalid-input", name)
            assert problem.get("limit") == bound, (word, problem)


def test_the_tokens_of_a_model_are_those_that_its_problems_count(owner: httpx.Client) -> None:
    listed = owner.get("/limits").json()["models"][MODEL.name]
    problem = check(personalize(owner, prompt="a " * 26), 422, "prompt-too-long", "prompt")
    assert listed["prompt_tokens"] == problem["limit"] == MODEL.sequence_length - 5


def test_a_page_of_a_list_has_a_limit_and_so_have_rounds_of_deliveries(
    owner: httpx.Client, limits: dict[str, dict[str, Any]]
) -> None:
    assert owner.get("/jobs?limit=1000").json()["limit"] == limits["items"]["limit"]


def test_whoever_has_a_good_key_may_ask(strict: httpx.Client, services: Services) -> None:
    assert strict.get("/limits").status_code == 401
    for scope in ("submit", "read"):
        _, key = Keyring(services.storage).create(f"only-{scope}", (scope,), utc_now())
        assert strict.get("/limits", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert edit(strict, "tail_x").status_code == 401


def test_a_recipe_has_no_more_steps_than_the_server_allows(strict: httpx.Client, services: Services) -> None:
    patient = as_owner(strict, services, "patient")
    [model] = patient.get("/models").json()
    assert {name: recipe["personalize"]["steps"] for name, recipe in model["recipes"].items()} == {
        "fast": 400,
        "paper": 500,  # of 1000
    }
    assert personalize(patient, recipe="paper").json()["parameters"]["steps"] == 500


def test_without_a_limit_of_stored_bytes_nobody_adds_them_up(
    api: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Usage, "of", lambda *_, **__: pytest.fail("counted"))
    assert api.get("/limits").json()["limits"]["stored_bytes"]["used"] is None
