from __future__ import annotations

import httpx

from tests.api.problems import check
from tests.api.serving import PretendingWorker, picture


def test_a_client_stays_under_the_prefix_that_it_began_with(api: httpx.Client, worker: PretendingWorker) -> None:
    files = {"picture": ("dog.png", picture())}
    answer = api.post("/v1/personalize", data={"prompt": "a standing dog"}, files=files)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    worker.succeed(worker.take(job["id"]))

    link = api.get(f"/v1/tails/{job['tail_id']}").json()["url"]

    assert link.startswith(f"{str(api.base_url).rstrip('/')}/v1/files/")
    assert api.get(link).content == b"tail bytes"
    assert api.get(link.replace("/v1/", "/")).content == b"tail bytes"
    assert api.get(f"/jobs/{job['id']}").json()["status"] == "succeeded"


def test_errors_under_the_prefix_name_the_whole_path(api: httpx.Client) -> None:
    assert check(api.get("/v1/nowhere"), 404, "not-found")["instance"] == "/v1/nowhere"
    check(api.get("/v2/models"), 404, "not-found")
    check(api.get("/v1models"), 404, "not-found")


def test_what_the_prefix_is_for_needs_no_other_routes(api: httpx.Client) -> None:
    assert api.get("/v1/models").json() == api.get("/models").json()
    assert 'href="docs"' in api.get("/v1/").text
    assert api.get("/v1/openapi.json").json()["paths"] == api.get("/openapi.json").json()["paths"]
