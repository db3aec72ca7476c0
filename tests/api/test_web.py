"""The playground's files, and what the page needs of the API beside what everybody needs."""

from __future__ import annotations

import gzip
import re
from typing import Any

import httpx
import pytest

from api.web.assets import FOLDER
from core.config import Settings
from tests.api.problems import check
from tests.api.serving import PretendingWorker, api_server, edit, personalize
from tests.api.test_events import parse

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def links(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(web/[^"]+)"', page)


def test_a_browser_gets_the_playground_and_everybody_else_a_page_of_links(api: httpx.Client) -> None:
    page, contents = api.get("/", headers=BROWSER), api.get("/")

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'type="module"' in page.text
    assert "module" not in contents.text
    assert "Accept" in page.headers["Vary"]
    assert contents.headers["Vary"] == "Accept"
    assert api.head("/", headers=BROWSER).headers["Content-Length"] == page.headers["Content-Length"]


def test_the_page_may_load_from_nowhere_else(api: httpx.Client) -> None:
    page = api.get("/", headers=BROWSER)
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'",) * 3
    assert policy["img-src"] == "'self' blob: data:"
    assert links(page.text)
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text)


@pytest.mark.parametrize("at", ["/", "/v1/"])
def test_all_files_that_the_page_names_are_there_under_both_addresses(api: httpx.Client, at: str) -> None:
    for link in links(api.get(at, headers=BROWSER).text):
        assert api.get(at + link).status_code == 200, link


def test_modules_import_only_files_that_are_there() -> None:
    for module in FOLDER.rglob("*.js"):
        for name in re.findall(r"^(?:import|export)[^;`]*?from ?\"([^\"]+)\"", module.read_text(), re.MULTILINE):
            assert name.startswith("."), f"{module}: {name} is no file of ours"
            assert (module.parent / name).resolve().is_file(), f"{module}: {name}"


def test_a_file_comes_compressed_and_only_if_it_is_new(api: httpx.Client) -> None:
    [link, *_] = [each for each in links(api.get("/", headers=BROWSER).text) if each.endswith(".css")]
    plain = api.get(f"/{link}", headers={"Accept-Encoding": "identity"})
    with api.stream("GET", f"/{link}", headers={"Accept-Encoding": "gzip"}) as small:
        packed = b"".join(small.iter_raw())

    assert (small.headers["Content-Encoding"], gzip.decompress(packed)) == ("gzip", plain.content)
    assert api.get(f"/{link}", headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304
    assert plain.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["nothing.js", "index.html", "../assets.py", "%2e%2e/assets.py", ""])
def test_nothing_else_is_served(api: httpx.Client, path: str) -> None:
    check(api.get(f"/web/{path}"), 404, "not-found")


def test_pictures_may_come_from_where_the_public_url_leads(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"public_url": "https://tailor.example.com/api"})
    with api_server(elsewhere) as api:
        policy = api.get("/", headers=BROWSER).headers["Content-Security-Policy"]

    assert "img-src 'self' blob: data: https://tailor.example.com;" in policy
    assert "connect-src 'self' https://tailor.example.com;" in policy


def test_a_signed_url_of_events_needs_no_key_and_is_good_for_that_job_alone(
    api: httpx.Client, settings: Settings, worker: PretendingWorker
) -> None:
    job, other = personalize(api).json(), personalize(api).json()
    worker.succeed(worker.take(job["id"]))
    with api_server(settings.model_copy(update={"require_keys": "always"})) as guarded:
        url = httpx.URL(job["events_url"]).copy_with(port=guarded.base_url.port)
        followed = guarded.get(url)
        check(guarded.get(f"/jobs/{job['id']}/events"), 401, "unauthorized")
        check(guarded.get(str(url).replace(job["id"], other["id"])), 403, "forbidden")
        check(guarded.get(re.sub(r"expires=\d+", "expires=99999999999", str(url))), 403, "forbidden")
        check(guarded.get(f"/jobs/{other['id']}/events", params={"signature": "ä", "expires": "x"}), 403, "forbidden")

    events: list[Any] = list(parse(iter(followed.text.splitlines())))
    assert events[-1].data == {"status": "succeeded"}
    assert api.get(f"/jobs/{job['id']}").json()["events_url"] is None


def test_a_signed_url_of_events_expires(settings: Settings) -> None:
    with api_server(settings.model_copy(update={"url_ttl_s": -1})) as api:
        check(api.get(personalize(api).json()["events_url"]), 403, "forbidden")


def test_the_events_url_keeps_the_prefix_of_the_request(api: httpx.Client) -> None:
    job = personalize(api).json()
    shown = api.get(f"/v1/jobs/{job['id']}").json()

    assert f"/v1/jobs/{job['id']}/events?" in shown["events_url"]
    api.delete(f"/jobs/{job['id']}")
    assert "canceled" in api.get(shown["events_url"]).text


def test_a_tail_shows_the_picture_that_it_was_learned_from(api: httpx.Client, worker: PretendingWorker) -> None:
    tail = personalize(api).json()
    url = api.get(f"/tails/{tail['tail_id']}").json()["source_url"]
    answer = api.get(url)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    api.delete(f"/tails/{tail['tail_id']}")
    assert api.get(url).status_code == 404


def test_tokens_are_counted_as_they_are_when_a_prompt_is_sent(api: httpx.Client) -> None:
    asked = api.get("/models/critters/tokens", params={"text": " ".join(["dog"] * 40)}).json()
    refused = personalize(api, prompt=" ".join(["dog"] * 40)).json()

    assert asked == {"model": "critters", "tokens": refused["tokens"]}
    assert api.get("/models/critters/tokens", params={"text": ""}).json()["tokens"] == 2
    check(api.get("/models/critters/tokens", params={"text": "x" * 1001}), 422, "invalid-input", field="text")
    check(api.get("/models/other/tokens", params={"text": "x"}), 422, "invalid-input", field="model")
    check(api.get("/models/critters/tokens"), 422, "invalid-input", field="text")


def test_an_edit_has_events_of_its_own(api: httpx.Client) -> None:
    tail = personalize(api).json()
    waiting = edit(api, tail["tail_id"]).json()

    assert f"/jobs/{waiting['id']}/events?" in waiting["events_url"]
