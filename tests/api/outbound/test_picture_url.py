"""Pictures by URL: fetched from a real server before the job is accepted."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from core.config import Settings
from core.services import Services
from tests.api.problems import check
from tests.api.serving import api_server, input_key, personalize, picture
from tests.support.receiver import Asked, Receiver, Reply, receiver

PNG = {"Content-Type": "image/png"}


def site(asked: Asked) -> Reply:
    """Serve a teal picture at /dog.png, and what else a stranger's server may come up with."""
    path = asked.path
    if path.startswith("/hops/"):
        left = int(path.removeprefix("/hops/"))
        return Reply(302, headers={"Location": f"/hops/{left - 1}" if left > 1 else "/dog.png"})
    return {
        "/dog.png": Reply(200, picture("teal"), PNG),
        "/unnamed": Reply(200, picture("teal"), {}),
        "/large": Reply(200, picture("teal") + b"\0" * 60_000, PNG),
        "/page": Reply(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"}),
        "/wordy": Reply(302, b"A" * 90_000, {"Location": "/wordier"}),
        "/wordier": Reply(302, b"A" * 90_000, {"Location": "/dog.png"}),
        "/zipped": Reply(200, b"\x1f\x8b", PNG | {"Content-Encoding": "gzip"}),
        "/no-picture": Reply(200, b"not a picture", PNG),
        "/huge": Reply(200, b"\x89PNG\r\n\x1a\n" + b"A" * 200_000, PNG),
        "/inside": Reply(302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
        "/inside-by-name": Reply(302, headers={"Location": f"http://localhost:{asked.headers['host'].split(':')[1]}/"}),
        "/file": Reply(302, headers={"Location": "file:///etc/passwd"}),
    }.get(path, Reply(404))


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with receiver(site) as running:
        yield running


@pytest.fixture(scope="module")
def api(settings: Settings, services: Services) -> Iterator[httpx.Client]:
    """A server that may reach 127.0.0.1, but no other inner address, and takes pictures of at most 100 KB."""
    few = {"allowed_inner_hosts": "127.0.0.1", "max_picture_bytes": 100_000, "picture_url_timeout_s": 5}
    with api_server(settings.model_copy(update=few)) as client:
        yield client


def by_url(api: httpx.Client, url: Any, **fields: Any) -> httpx.Response:
    return api.post("/personalize", data={"prompt": "a standing dog", "picture_url": url} | fields)


def stored(services: Services, answer: httpx.Response) -> tuple[int, ...]:
    assert answer.status_code == 202, answer.text
    image = Image.open(io.BytesIO(services.storage.get(input_key(services, answer.json()["id"]))))
    color = image.getpixel((5, 5))
    assert isinstance(color, tuple)
    return color


@pytest.mark.parametrize("path", ["/dog.png", "/unnamed", "/hops/1", "/hops/3"])
def test_the_picture_is_stored_before_the_answer(
    api: httpx.Client, there: Receiver, services: Services, path: str
) -> None:
    assert stored(services, by_url(api, there.url(path))) == (0, 128, 128)


def test_json_takes_it_as_a_field_or_in_place_of_the_data_uri(
    api: httpx.Client, there: Receiver, services: Services
) -> None:
    url = there.url("/dog.png")
    for sent in ({"picture_url": url}, {"picture": {"url": url}}):
        answer = api.post("/personalize", json={"prompt": "a dog"} | sent)
        assert stored(services, answer) == (0, 128, 128)


def test_a_repetition_is_answered_without_asking_for_the_picture_again(api: httpx.Client, there: Receiver) -> None:
    key = {"Idempotency-Key": "by url"}
    url = there.url("/dog.png?once")
    body = {"prompt": "a dog", "picture": {"url": there.url("/dog.png")}}
    first = api.post("/personalize", json=body, headers=key)
    before = len(there.asked)
    again = api.post("/personalize", json={"prompt": "a dog", "picture_url": there.url("/dog.png")}, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = api.post("/personalize", json={"prompt": "a dog", "picture_url": url}, headers=key)
    check(other, 422, "idempotency-conflict")
    assert len(there.asked) == before


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere", "status"),
        ("/page", "content-type"),
        ("/zipped", "content-type"),
        ("/no-picture", "format"),
        ("/huge", "too-large"),
        ("/hops/4", "redirects"),
        ("/inside", "redirects"),
        ("/file", "redirects"),
    ],
)
def test_what_can_not_be_had_is_said_of_the_field(api: httpx.Client, there: Receiver, path: str, reason: str) -> None:
    assert check(by_url(api, there.url(path)), 422, "invalid-picture", "picture_url")["reason"] == reason
    nested = api.post("/personalize", json={"prompt": "a dog", "picture": {"url": there.url(path)}})
    assert check(nested, 422, "invalid-picture", "picture.url")["reason"] == reason


@pytest.mark.parametrize(
    "url",
    [
        *("dog.png", "file:///etc/passwd", "ftp://example.org/dog.png", "http://", "http://me:secret@example.org/"),
        *("http://169.254.169.254/", "http://10.0.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://a..b/"),
        *("http://example.org:0/", "http://example.org:70000/", "https://example.org/" + "a" * 3000, "http://a b/"),
    ],
)
def test_a_url_that_may_not_be_asked_is_refused_at_once(api: httpx.Client, url: str) -> None:
    document = check(by_url(api, url), 422, "invalid-input", "picture_url")
    assert "secret" not in document["detail"]


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001"])
def test_an_inner_address_by_another_name_is_found_when_it_is_resolved(settings: Settings, host: str) -> None:
    with receiver(site) as there, api_server(settings) as strict:
        refused = check(by_url(strict, there.url("/dog.png", host=host)), 422, "invalid-picture", "picture_url")
        assert refused["reason"] == "inner-address"
        assert there.asked == []


def test_a_url_and_a_picture_together_are_refused(api: httpx.Client, there: Receiver) -> None:
    check(personalize(api, picture_url=there.url("/dog.png")), 422, "invalid-input", "picture_url")


@pytest.mark.parametrize("body", [{"url": 3}, {}, {"url": "http://x/", "more": 1}, [["http://x/"]], 7])
def test_a_picture_that_is_neither_text_nor_a_url_is_refused(api: httpx.Client, body: Any) -> None:
    check(api.post("/personalize", json={"prompt": "a dog", "picture": body}), 422, "invalid-input", "picture")


def test_others_are_served_while_a_picture_comes_slowly_and_it_ends_with_the_time(
    settings: Settings, services: Services
) -> None:
    asked, stop = threading.Event(), threading.Event()

    def drip(write: Callable[[bytes], Any]) -> None:
        asked.set()
        while not stop.wait(0.05):
            write(b".")

    update = {"allowed_inner_hosts": "127.0.0.1", "picture_url_timeout_s": 3, "picture_url_fetches": 1}
    patience = {"max_decode_wait_s": 0.1}
    with (
        receiver(lambda _: Reply(200, headers=PNG, drip=drip)) as slow,
        api_server(settings.model_copy(update=update | patience)) as api,
        ThreadPoolExecutor() as pool,
    ):
        waiting = pool.submit(by_url, api, slow.url())
        assert asked.wait(30)
        assert personalize(api).status_code == 202
        check(by_url(api, slow.url()), 503, "overloaded")
        assert check(waiting.result(), 422, "invalid-picture", "picture_url")["reason"] == "timeout"
        stop.set()


def test_several_pictures_may_come_by_url_and_be_mixed_with_others_in_json(
    api: httpx.Client, there: Receiver, services: Services
) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture("red")).decode()
    mixed = {"prompt": "a dog", "picture": [uri, {"url": there.url("/dog.png")}]}
    repeated = {"prompt": "a dog", "picture_url": [there.url("/dog.png"), there.url("/unnamed")]}
    for answer in (api.post("/personalize", json=mixed), api.post("/personalize", data=repeated)):
        assert answer.status_code == 202, answer.text
        assert answer.json()["pictures"] == 2
        second = services.jobs.spec(answer.json()["id"]).pictures[1]
        assert Image.open(io.BytesIO(services.storage.get(second.key))).getpixel((5, 5)) == (0, 128, 128)


def test_a_bad_url_among_several_is_named_and_all_of_them_are_compared(api: httpx.Client, there: Receiver) -> None:
    def send(*paths: str, key: str | None = None) -> httpx.Response:
        body = {"prompt": "a dog", "picture": [{"url": there.url(path)} for path in paths]}
        return api.post("/personalize", json=body, headers={"Idempotency-Key": key} if key else {})

    for path, reason in (("/no-picture", "format"), ("/page", "content-type"), ("/nowhere", "status")):
        document = check(send("/dog.png", path), 422, "invalid-picture", "picture[1].url")
        assert document["reason"] == reason
    assert send("/dog.png", "/unnamed", key="urls").status_code == 202
    assert send("/dog.png", "/unnamed", key="urls").headers["Idempotency-Replayed"] == "true"
    check(send("/dog.png", "/dog.png", key="urls"), 422, "idempotency-conflict")


def test_nothing_more_is_fetched_once_the_pictures_are_too_large_together(api: httpx.Client, there: Receiver) -> None:
    before = len(there.asked)

    answer = by_url(api, [there.url("/large")] * 4)

    document = check(answer, 422, "invalid-picture", "picture_url[1]")
    assert (document["reason"], len(there.asked) - before) == ("too-large", 2)


def test_what_redirects_say_is_let_go_before_the_next_is_asked(settings: Settings, there: Receiver) -> None:
    few = {"allowed_inner_hosts": "127.0.0.1", "max_body_bytes_in_flight": 100_000}
    with api_server(settings.model_copy(update=few)) as api:
        assert by_url(api, there.url("/wordy")).status_code == 202
