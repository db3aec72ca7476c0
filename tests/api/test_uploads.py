"""Many and large uploads at once: what is not concerned goes on, what is too much is refused, memory comes back."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from api.intake import bodies, decoder
from core.config import REPOSITORY, Settings
from core.images import decode_picture, read_header
from core.services import Services
from tests.api.problems import check
from tests.api.serving import EVENT_LOOP, api_server, edit, personalize, picture

UPLOADS = 60
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass
class Gate:
    """Keeps every call of a function waiting until it is opened, and knows who has come."""

    call: Callable[..., Any]
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open: threading.Event = field(default_factory=threading.Event)
    inside: int = 0
    most: int = 0
    threads: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.add(threading.current_thread().name)
        self.arrived.release()
        assert self.open.wait(60)
        try:
            return self.call(*args, **kwargs)
        finally:
            with self._lock:
                self.inside -= 1

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=60)


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(decode_picture)
    monkeypatch.setattr(decoder, "decode_picture", gate)
    yield gate
    gate.open.set()


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Tells how many pictures have come as far as their headers, and holds nobody."""
    gate = Gate(read_header)
    gate.open.set()
    monkeypatch.setattr(decoder, "read_header", gate)
    return gate


def test_sixty_uploads_that_are_decoded_stop_no_poll_no_edit_and_no_probe(
    api: httpx.Client, decoding: Gate, headers: Gate
) -> None:
    earlier = personalize_with(api, decoding)
    with ThreadPoolExecutor(UPLOADS) as pool:
        uploads = [pool.submit(personalize, api) for _ in range(UPLOADS)]
        headers.wait_for(UPLOADS + 1)
        decoding.wait_for(1)
        for path in ("/healthz", "/readyz", "/metrics", "/models", f"/jobs/{earlier['id']}"):
            assert api.get(path).status_code == 200
        assert api.get(f"/jobs/{earlier['id']}", headers={"Prefer": "wait=0"}).json()["status"] == "queued"
        assert edit(api, earlier["tail_id"]).status_code == 202
        assert not any(upload.done() for upload in uploads)
        decoding.open.set()
        assert {upload.result().status_code for upload in uploads} == {202}
    assert all(name.startswith("decoding") for name in decoding.threads)


def personalize_with(api: httpx.Client, decoding: Gate) -> dict[str, Any]:
    """Let one personalization through."""
    decoding.open.set()
    job: dict[str, Any] = personalize(api).json()
    decoding.wait_for(1)
    decoding.open.clear()
    return job


def test_an_upload_that_would_wait_too_long_to_be_decoded_is_refused_with_the_limit(
    settings: Settings, services: Services, decoding: Gate
) -> None:
    limits = {"max_pixels_in_flight": 5000, "max_decode_wait_s": 0}
    with api_server(settings.model_copy(update=limits)) as api, ThreadPoolExecutor() as pool:
        first = pool.submit(personalize, api)
        decoding.wait_for(1)
        refused = personalize(api)
        assert check(refused, 503, "overloaded")["limit"] == 5000
        assert refused.headers["Retry-After"] == "10"
        decoding.open.set()
        assert first.result().status_code == 202
        assert personalize(api).status_code == 202


def test_no_more_pixels_are_decoded_at_once_than_the_limit(
    settings: Settings, services: Services, decoding: Gate, headers: Gate
) -> None:
    with api_server(settings.model_copy(update={"max_pixels_in_flight": 5000})) as api, ThreadPoolExecutor() as pool:
        uploads = [pool.submit(personalize, api) for _ in range(6)]
        headers.wait_for(6)
        decoding.wait_for(1)
        decoding.open.set()
        assert {upload.result().status_code for upload in uploads} == {202}
    assert decoding.most == 1


def test_a_body_is_parsed_on_a_thread_of_its_own(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    parsing = Gate(bodies.parse_body)
    monkeypatch.setattr(bodies, "parse_body", parsing)
    with ThreadPoolExecutor() as pool:
        answers = [pool.submit(personalize, api), pool.submit(api.post, "/personalize", json=with_picture(picture()))]
        parsing.wait_for(1)
        assert api.get("/healthz").status_code == 200
        parsing.open.set()
        assert {answer.result().status_code for answer in answers} == {202}
    assert EVENT_LOOP not in parsing.threads
    assert all(name.startswith("parsing") for name in parsing.threads)


def with_picture(data: bytes, **fields: Any) -> dict[str, Any]:
    return {"picture": "data:image/png;base64," + base64.b64encode(data).decode()} | {"prompt": "a dog"} | fields


def large() -> bytes:
    """Return a picture whose JSON is longer than what is parsed in one piece."""
    return picture() + b"\0" * 400_000


def large_bodies() -> Iterator[bytes]:
    picture_first = with_picture(large())
    yield json.dumps(picture_first).encode()
    yield json.dumps({"prompt": "picture", **picture_first, "seed": 7} | {"prompt": "picture"}).encode()
    yield json.dumps(dict(reversed(picture_first.items())), indent=4).encode()
    yield json.dumps(picture_first).replace("/", "\\/").encode()  # as PHP writes it


def test_long_pictures_and_urls_may_be_mixed_in_a_list(api: httpx.Client) -> None:
    uri, other = with_picture(large())["picture"], {"url": "http://127.0.0.1:9/dog.png"}
    for pictures, wrong in (([uri, other], "picture[1].url"), ([other, uri], "picture[0].url")):
        answer = api.post("/personalize", json={"prompt": "a dog", "picture": pictures})
        assert answer.json()["field"] == wrong, answer.text  # the URL is refused, the picture beside it was read
    document = check(api.post("/personalize", json={"prompt": uri, "picture": uri}), 422, "invalid-input", "prompt")
    assert f"prompt has {len(uri)} characters" in document["detail"]


@pytest.mark.parametrize("body", large_bodies(), ids=["first", "after-its-name", "last", "escaped"])
def test_a_long_picture_in_json_is_taken_wherever_it_stands(api: httpx.Client, services: Services, body: bytes) -> None:
    answer = api.post("/personalize", content=body, headers=JSON_TYPE)
    assert answer.status_code == 202, answer.text
    assert answer.json()["prompt"] == json.loads(body)["prompt"]


def test_json_that_is_long_beside_its_picture_is_refused_before_it_is_parsed(api: httpx.Client) -> None:
    body = json.dumps(with_picture(picture(), more=[0] * 200_000)).encode()
    document = check(api.post("/personalize", content=body, headers=JSON_TYPE), 413, "payload-too-large")
    assert document["limit"] == 256 * 1024


def test_a_broken_body_with_a_long_picture_is_called_malformed(api: httpx.Client) -> None:
    body = json.dumps(with_picture(large())).encode()[:-1]
    check(api.post("/personalize", content=body, headers=JSON_TYPE), 400, "malformed-request")


def test_more_bytes_of_bodies_than_the_limit_are_refused_and_forgotten(settings: Settings, services: Services) -> None:
    with api_server(settings.model_copy(update={"max_body_bytes_in_flight": 2000})) as api:
        files = {"picture": ("dog.png", picture() + b"\0" * 2000)}
        for _ in range(3):
            answer = api.post("/personalize", data={"prompt": "a dog"}, files=files)
            assert check(answer, 503, "overloaded")["limit"] == 2000
            assert personalize(api).status_code == 202


LEVELS = """
import asyncio, io
from PIL import Image
from api.intake.decoder import Decoder
from api.intake.sources import PictureFile
from api.threads import AllThreads
from core.config import Settings

def flat(side):
    file = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(file, "PNG")
    return file.getvalue()

def status(name):
    return next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith(name))

async def main():
    decoder = Decoder(Settings(_env_file=None), AllThreads())
    await decoder.squares([PictureFile("picture", flat(64))], 64, "crop")
    data = PictureFile("picture", flat(4000))
    before = status("VmRSS")
    await asyncio.gather(*(decoder.squares([data], 64, "crop") for _ in range(6)))
    print(status("VmHWM") - before, status("VmRSS") - before)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process that was just started")
def test_memory_of_decoded_pictures_goes_back_to_the_system() -> None:
    measured = subprocess.run(
        [sys.executable, "-c", LEVELS], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    peak, kept = map(int, measured.stdout.split())
    assert peak > 50  # MB
    assert kept < peak / 4
