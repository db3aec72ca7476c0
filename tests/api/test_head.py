from __future__ import annotations

import httpx
import pytest

from tests.api.problems import check
from tests.api.serving import PretendingWorker, edit, personalize


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_head_tells_what_get_would(api: httpx.Client, path: str) -> None:
    got, headed = api.get(path), api.head(path)
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["Content-Type"] == got.headers["Content-Type"]
    assert headed.headers["Content-Length"] == got.headers["Content-Length"]


def test_head_of_a_signed_picture_tells_its_size_and_needs_the_signature(
    api: httpx.Client, worker: PretendingWorker
) -> None:
    tail = personalize(api).json()
    worker.succeed(worker.take(tail["id"]))
    job = edit(api, tail["tail_id"]).json()
    worker.succeed(worker.take(job["id"], "edit"))
    url = api.get(f"/jobs/{job['id']}").json()["results"][0]["url"]

    got, headed = api.get(url), api.head(url)

    assert (headed.status_code, headed.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Disposition", "Cache-Control"):
        assert headed.headers[name] == got.headers[name]
    assert int(headed.headers["Content-Length"]) == len(got.content) > 0
    assert api.head(url.replace("signature=", "signature=0")).status_code == 403


def test_head_of_a_deleted_file_is_not_found(api: httpx.Client, worker: PretendingWorker) -> None:
    tail = personalize(api).json()
    worker.succeed(worker.take(tail["id"]))
    url = api.get(f"/tails/{tail['tail_id']}/file", follow_redirects=False).headers["Location"]
    assert api.head(url).status_code == 200
    api.delete(f"/tails/{tail['tail_id']}")
    assert api.head(url).status_code == 404
    check(api.get(url), 404, "not-found")
