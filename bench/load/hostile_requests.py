"""Requests that no client in its right mind sends, of a dozen kinds."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator

from bench.uploads import flat_png, photo, upload

ANYWHERE = "http://localhost"
LONG = 70_000
_GOOD, _LARGE, _SMALL = photo(200, 150), flat_png(5000), flat_png(64)
_URI = "data:image/png;base64," + base64.b64encode(_SMALL).decode()
_ODD_PATHS = (
    "/jobs/..%2f..%2fsecret", "/files/secret", "/files/%00", "//", "/jobs/job_%ff", "/jobs?cursor=" + "A" * 5000,
    "/tails?label=a", "/jobs?limit=1e9", "/%", "/jobs/" + "a" * 20_000, "/files/jobs?expires=1&signature=x",
)  # fmt: skip


def head(method: str, path: str, *fields: str, body: bytes = b"") -> bytes:
    """Return a request; a field of its own may lie about the body's length."""
    named = {field.partition(":")[0].lower() for field in fields}
    given = [*fields, *(["Content-Length: " + str(len(body))] if body and "content-length" not in named else [])]
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *given]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def as_json(path: str, value: object) -> bytes:
    """Return a POST of a value as JSON."""
    return head("POST", path, "Content-Type: application/json", body=json.dumps(value).encode())


def junk(rng: random.Random) -> bytes:
    """Return what is no HTTP."""
    return rng.randbytes(rng.randint(1, 2000))


def value(rng: random.Random) -> object:
    """Return what hardly any field takes."""
    return rng.choice([None, -1, 2**70, 1e308, "", "x" * LONG, [], {}, [[]] * 500, True, "\ud800", "\x00", _URI])


def fields(rng: random.Random) -> bytes:
    """Return a personalization one of whose fields is odd."""
    names = ["prompt", "picture", "seed", "steps", "edits", "webhook", "labels", "ttl", "recipe", "positions"]
    return as_json("/personalize", {"prompt": "a dog", "picture": _URI} | {rng.choice(names): value(rng)})


def edit(rng: random.Random) -> bytes:
    """Return an edit one of whose fields is odd."""
    names = ["tail_id", "tails", "sweep", "prompt", "num_images", "strength", "negative_prompt", "picture_url"]
    return as_json("/edit", {"tail_id": "tail_" + "0" * 24, "prompt": "a dog"} | {rng.choice(names): value(rng)})


def damaged(rng: random.Random) -> bytes:
    """Return a damaged picture."""
    data = bytearray(rng.choice([_GOOD, _SMALL]))
    for _ in range(rng.randint(1, 30)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return upload(ANYWHERE, bytes(data[: rng.randint(1, len(data))]))


def nested(rng: random.Random) -> bytes:
    """Return JSON that is nested too deeply."""
    return head("POST", "/edit", "Content-Type: application/json", body=b"[" * rng.randint(1000, 200_000))


def lying(rng: random.Random) -> bytes:
    """Return a body whose length is not what its head says."""
    length = rng.choice(["-1", "99999999999999999999", "0", "abc", "5, 6", "3"])
    return head("POST", "/edit", "Content-Type: application/json", f"Content-Length: {length}", body=b"{}")


def paths(rng: random.Random) -> bytes:
    """Return an odd path, asked for by an odd method."""
    return head(rng.choice(["GET", "DELETE", "PATCH", "HEAD", "BREW", "PUT"]), rng.choice(_ODD_PATHS))


def forms(rng: random.Random) -> bytes:
    """Return a form that is none."""
    kind = rng.choice(["multipart/form-data", "multipart/form-data; boundary=" + "b" * 500, "text/plain", "\xff"])
    return head("POST", rng.choice(["/personalize", "/tails"]), f"Content-Type: {kind}", body=junk(rng))


def headers(rng: random.Random) -> bytes:
    """Return odd headers."""
    field = rng.choice(["Prefer: wait=99999999", "Last-Event-ID: 9-9-9", "Idempotency-Key: " + "k" * 5000,
                        "Authorization: Bearer tailor_" + "0" * 12 + "_" + "0" * 64, "X-Forwarded-For: ,,,",
                        "X-Request-Id: " + "\x7f" * 20, "Range: bytes=9-1", "Cookie: " + "c" * 30_000])  # fmt: skip
    return head("GET", rng.choice(["/jobs", "/models", "/jobs/job_" + "0" * 24 + "/events", "/limits"]), field)


def inner(rng: random.Random) -> bytes:
    """Return a picture by the URL of an inner address."""
    hosts = ["127.0.0.1:22", "[::1]", "169.254.169.254", "0x7f000001", "localhost.", "10.0.0.1:1", "\u2024"]
    return as_json("/personalize", {"prompt": "a dog", "picture": {"url": f"http://{rng.choice(hosts)}/a.png"}})


def bomb(_rng: random.Random) -> bytes:
    """Return a large picture in a small file."""
    return upload(ANYWHERE, _LARGE)


def tail(rng: random.Random) -> bytes:
    """Return a tail's file that is none."""
    file = rng.choice([(2**40).to_bytes(8, "little") + b"{}", b"\x02\0\0\0\0\0\0\0{}", junk(rng)])
    return as_json("/tails", {"file": base64.b64encode(file).decode()})


KINDS = (junk, fields, edit, damaged, nested, lying, paths, forms, headers, inner, bomb, tail)


def hostile_requests(count: int, seed: int) -> Iterator[bytes]:
    """Yield so many hostile requests, of all kinds in turn."""
    rng = random.Random(seed)
    for number in range(count):
        try:
            yield KINDS[number % len(KINDS)](rng)
        except UnicodeError:  # half a character, which is nothing that could be sent
            yield b"GET /\xed\xa0\x80 HTTP/1.1\r\n\r\n"
