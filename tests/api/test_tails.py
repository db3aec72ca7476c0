from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core.jobs import keys
from core.services import Services
from core.storage.signing import sign
from tests.api.serving import PretendingWorker, edit, input_key, personalize


@pytest.fixture
def tail(api: httpx.Client, worker: PretendingWorker) -> dict[str, str]:
    job = personalize(api).json()
    worker.succeed(worker.take(job["id"]), b"the tail")
    return {"job_id": job["id"], "id": job["tail_id"]}


def test_a_ready_tail_tells_its_origin_and_serves_its_file(api: httpx.Client, tail: dict[str, str]) -> None:
    seen = api.get(f"/tails/{tail['id']}").json()
    assert (seen["id"], seen["job_id"], seen["status"]) == (tail["id"], tail["job_id"], "succeeded")
    assert (seen["model"], seen["model_hash"], seen["prompt"]) == ("critters", "c0ffee", "a standing dog")
    assert (seen["positions"], seen["sha256"]) == (5, hashlib.sha256(b"the tail").hexdigest())
    assert datetime.fromisoformat(seen["url_expires_at"]) > datetime.now(UTC) + timedelta(minutes=50)
    file = httpx.get(seen["url"])
    assert (file.content, file.headers["Content-Type"]) == (b"the tail", "application/octet-stream")
    assert f"{tail['id']}.safetensors" in file.headers["Content-Disposition"]
    assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_the_file_of_a_tail_is_one_redirect_away(api: httpx.Client, tail: dict[str, str]) -> None:
    answer = api.get(f"/tails/{tail['id']}/file")
    assert answer.status_code == 307
    assert httpx.get(answer.headers["Location"]).content == b"the tail"


def test_a_tail_that_is_not_ready_has_no_file(api: httpx.Client) -> None:
    tail_id = personalize(api).json()["tail_id"]
    seen = api.get(f"/tails/{tail_id}").json()
    assert (seen["status"], seen["url"], seen["sha256"]) == ("queued", None, None)
    assert api.get(f"/tails/{tail_id}/file").status_code == 404


def test_a_deleted_tail_leaves_no_byte_and_is_gone_ever_after(
    api: httpx.Client, services: Services, tail: dict[str, str]
) -> None:
    picture_key = input_key(services, tail["job_id"])
    assert [api.delete(f"/tails/{tail['id']}").status_code for _ in "ab"] == [200, 200]
    assert services.storage.head(picture_key) is None
    tombstone = keys.end(tail["job_id"])
    assert [info.key for info in services.storage.list(keys.job(tail["job_id"]))] == [tombstone]
    for path in (f"/tails/{tail['id']}", f"/tails/{tail['id']}/file", f"/jobs/{tail['job_id']}"):
        assert (path, api.get(path).status_code) == (path, 410)


def test_a_job_that_makes_no_tail_is_no_tail(api: httpx.Client, tail: dict[str, str]) -> None:
    job = edit(api, tail["id"]).json()
    assert api.get(f"/tails/{job['id'].replace('job_', 'tail_')}").status_code == 404


def test_a_url_is_good_for_its_object_its_type_its_name_and_its_time_only(
    api: httpx.Client, services: Services
) -> None:
    services.storage.put("jobs/x/a.png", b"mine")
    services.storage.put("jobs/x/b.png", b"not mine")
    good = sign(services.secret, "jobs/x/a.png", expires_s=60, filename="a.png", content_type="image/png")
    expired = sign(services.secret, "jobs/x/a.png", expires_s=-1, filename="a.png", content_type="image/png")
    assert api.get(good).content == b"mine"
    assert api.get(good).headers["Content-Disposition"].startswith("inline;")
    forged = [good.replace("a.png?", "b.png?"), good.replace("name=a", "name=b"), good.replace("image", "text")]
    for url in (*forged, expired, good.partition("?")[0], good[:-2], good + "0"):
        answer = api.get(url)
        assert (url, answer.status_code, answer.json()["type"]) == (url, 403, "urn:tailor:problem:forbidden")


def test_a_good_url_of_a_deleted_object_is_not_found(api: httpx.Client, services: Services) -> None:
    url = sign(services.secret, "jobs/x/never.png", expires_s=60, filename="a.png", content_type="image/png")
    assert api.get(url).status_code == 404


@pytest.mark.parametrize("path", ["../secret", "%2e%2e/secret", "..%2fsecret", "secret", "/etc/passwd", "jobs/%00"])
def test_nothing_unsigned_is_served(api: httpx.Client, path: str) -> None:
    assert api.get(f"/files/{path}").status_code in (403, 404)
