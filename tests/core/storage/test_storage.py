from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import httpx
import pytest
from botocore.exceptions import ConnectionClosedError

from core.config import REPOSITORY
from core.errors import ForbiddenError, StorageUnavailableError
from core.storage import ObjectMissingError, Storage, open_storage
from core.storage.signing import sign, verify
from tests.support.ports import free_ports
from tests.support.s3_server import S3Endpoint, s3_server

SECRET = b"a secret of this test"
BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "a\\b",
    "a\nb",
    "a\x00b",
    ".tmp/a",
    "x" * 256,
    "x/" * 600 + "x",
]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[S3Endpoint]:
    with s3_server() as running:
        yield running


def open_s3(url: str, endpoint: S3Endpoint, **options: Any) -> Storage:
    known: dict[str, Any] = {"s3_endpoint_url": endpoint.endpoint_url}
    known |= {"s3_access_key": endpoint.access_key, "s3_secret_key": endpoint.secret_key}
    return open_storage(url, secret=SECRET, **{**known, **options})


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return open_storage(f"file://{tmp_path}/store", secret=SECRET)
    return open_s3(f"s3://tailor-test/{tmp_path.name}", request.getfixturevalue("endpoint"))


def keys(storage: Storage, prefix: str = "") -> list[str]:
    return [found.key for found in storage.list(prefix)]


def race(storage: Storage, key: str, writers: int = 8) -> list[bool]:
    barrier = Barrier(writers)

    def write(writer: int) -> bool:
        barrier.wait()
        return storage.create(key, b"%d" % writer)

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(write, range(writers)))


def test_what_was_put_is_what_is_got_and_a_second_put_replaces_it(storage: Storage) -> None:
    storage.put("jobs/1/job.json", b"first")
    storage.put("jobs/1/job.json", b"second")
    assert storage.get("jobs/1/job.json") == b"second"


def test_names_beyond_ascii_and_empty_objects_are_kept(storage: Storage) -> None:
    storage.put("tails/größe 1 %2F+?.bin", b"")
    assert storage.get("tails/größe 1 %2F+?.bin") == b""
    assert keys(storage) == ["tails/größe 1 %2F+?.bin"]


def test_of_eight_writers_that_create_one_key_exactly_one_wins_and_its_bytes_stay(storage: Storage) -> None:
    for key in (f"races/{number}/end.json" for number in range(3)):
        won = race(storage, key)
        assert won.count(True) == 1
        assert storage.get(key) == b"%d" % won.index(True)


def test_creating_what_is_there_changes_nothing(storage: Storage) -> None:
    storage.put("a/b", b"old")
    assert storage.create("a/b", b"new") is False
    assert storage.get("a/b") == b"old"


def test_head_tells_size_and_time_and_none_for_what_is_missing(storage: Storage) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # S3 tells whole seconds
    storage.put("a/b", b"12345")
    found = storage.head("a/b")
    assert found is not None
    assert (found.key, found.size) == ("a/b", 5)
    assert before <= found.modified <= datetime.now(UTC) + timedelta(seconds=1)
    assert storage.head("a") is None
    assert storage.head("a/c") is None


@pytest.mark.parametrize("key", ["nothing", "a", "a/b/c"])
def test_getting_what_is_missing_says_so(storage: Storage, key: str) -> None:
    storage.put("a/b", b"")
    with pytest.raises(ObjectMissingError):
        storage.get(key)


def test_list_gives_the_keys_of_a_prefix_in_their_order(storage: Storage) -> None:
    for key in ["b", "a/c", "a-b/c", "a/b/c", "a.b", "ab/c", "a/b-c"]:
        storage.put(key, b"")
    assert keys(storage) == ["a-b/c", "a.b", "a/b-c", "a/b/c", "a/c", "ab/c", "b"]
    assert keys(storage, "a/") == ["a/b-c", "a/b/c", "a/c"]
    assert keys(storage, "a/b") == ["a/b-c", "a/b/c"]
    assert keys(storage, "nothing/") == []


def test_a_scan_goes_on_behind_any_key_in_order_over_folders_and_pages(storage: Storage) -> None:
    names = [f"lists/a/{hour:03}/{number:03}-x.{fact}" for hour in range(3) for number in range(200) for fact in "ab"]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda name: storage.put(name, b""), reversed(names)))
    storage.put("lists/b/000/000-x.a", b"")

    assert [info.key for info in storage.scan("lists/a/")] == names
    for first in (0, 1, 399, 400, 1150, 1199):
        assert [info.key for info in storage.scan("lists/a/", after=names[first])] == names[first + 1 :]
    assert [info.key for info in storage.scan("lists/a/001/007-x.")] == names[414:416]
    assert [info.key for info in storage.scan("lists/a/", after="lists/a/001/007-x.~")] == names[416:]
    assert list(storage.scan("lists/c/")) == []


def test_more_keys_than_one_page_holds_are_listed_and_deleted(storage: Storage) -> None:
    names = [f"many/{number:04}" for number in range(1003)]
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda name: storage.put(name, b"x"), names))
    storage.put("many-others", b"")
    assert keys(storage, "many/") == names
    assert storage.delete_prefix("many/") == len(names)
    assert keys(storage) == ["many-others"]


def test_deleting_leaves_the_neighbours_and_may_be_repeated(storage: Storage) -> None:
    storage.put("a/b", b"")
    storage.put("a/c", b"")
    storage.delete("a/b")
    storage.delete("a/b")
    storage.delete("never/was")
    assert keys(storage) == ["a/c"]


def test_delete_prefix_takes_only_whole_folders(storage: Storage) -> None:
    with pytest.raises(ValueError, match="must end in '/'"):
        storage.delete_prefix("jobs/1")
    with pytest.raises(ValueError, match="must end in '/'"):
        storage.delete_prefix("")


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_bad_key_is_refused_by_every_method(storage: Storage, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: storage.put(key, b""),
        lambda: storage.create(key, b""),
        lambda: storage.get(key),
        lambda: storage.head(key),
        lambda: storage.delete(key),
        lambda: storage.url(key, expires_s=1, filename="a", content_type="a/b"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="key"):
            call()


def test_the_probe_passes_and_leaves_nothing(storage: Storage) -> None:
    storage.probe()
    assert keys(storage) == []


def test_the_probe_fails_on_a_store_where_every_writer_wins(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def overwrite(key: str, data: bytes) -> bool:
        storage.put(key, data)
        return True

    monkeypatch.setattr(storage, "create", overwrite)
    with pytest.raises(RuntimeError, match="8 of 8 writers won"):
        storage.probe()


def test_writers_and_deleters_of_one_folder_do_not_trip_over_each_other(storage: Storage) -> None:
    def write_and_delete(writer: int) -> bytes:
        for _ in range(20):
            storage.put(f"deep/er/{writer}", b"%d" % writer)
            storage.delete(f"deep/er/{writer}")
        storage.put(f"deep/er/{writer}", b"%d" % writer)
        return storage.get(f"deep/er/{writer}")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write_and_delete, range(4))) == [b"0", b"1", b"2", b"3"]


# The folder alone


@pytest.mark.parametrize("write", ["put", "create"])
def test_a_folder_that_a_delete_removes_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    storage = open_storage(str(tmp_path), secret=SECRET)
    make, seen = Path.mkdir, []

    def mkdir(path: Path, *args: Any, **options: Any) -> None:
        """Raise what Path.mkdir does when the folder was there, and then was not when it looked again."""
        seen.append(path)
        if len(seen) == 1:
            raise FileExistsError(path)
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    getattr(storage, write)("deep/er/1", b"1")
    assert storage.get("deep/er/1") == b"1"
    assert len(seen) > 1


WRITER = """
import sys
from pathlib import Path
from core.storage.unfinished import unfinished
with unfinished(Path(sys.argv[1]), b"half a pict") as path:
    print(path.name, flush=True)
    sys.stdin.read()
"""


@contextmanager
def writer_in_the_middle(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run another process that has written half of an object; yields it and its temporary file."""
    command = [sys.executable, "-c", WRITER, str(folder / ".tmp")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, cwd=REPOSITORY, **pipes)
    try:
        assert process.stdout
        yield process, folder / ".tmp" / process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_crashed_write_is_never_seen_and_swept_at_the_next_start_but_a_living_writers_stays(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path), secret=SECRET)
    with writer_in_the_middle(tmp_path) as (dead, left), writer_in_the_middle(tmp_path) as (_, living):
        dead.kill()
        dead.wait()
        assert keys(storage) == []
        assert left.exists()
        assert keys(open_storage(str(tmp_path), secret=SECRET)) == []
        assert not left.exists()
        assert living.exists()


def test_where_files_cannot_be_locked_only_old_leftovers_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("core.storage.unfinished.fcntl.flock", unsupported)
    storage = open_storage(str(tmp_path), secret=SECRET)
    old, young = tmp_path / ".tmp" / "old", tmp_path / ".tmp" / "young"
    for leftover in (old, young):
        leftover.write_bytes(b"half a pict")
    os.utime(old, (time.time() - 3700,) * 2)
    storage.put("a", b"1")
    assert keys(open_storage(str(tmp_path), secret=SECRET)) == ["a"]
    assert not old.exists()
    assert young.exists()


def test_a_write_whose_file_is_swept_before_it_has_its_lock_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, lock, swept = open_storage(str(tmp_path), secret=SECRET), fcntl.flock, []

    def late(file: Any, how: int) -> None:
        if not swept:
            swept.extend((tmp_path / ".tmp").iterdir())
            swept[0].unlink()
        lock(file, how)

    monkeypatch.setattr("core.storage.unfinished.fcntl.flock", late)
    storage.put("a", b"1")
    assert storage.get("a") == b"1"


def test_no_temporary_file_and_no_empty_folder_stays_behind(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path), secret=SECRET)
    storage.put("a/b/c", b"1")
    storage.create("a/b/c", b"2")
    storage.delete_prefix("a/")
    assert [path.name for path in tmp_path.rglob("*")] == [".tmp"]


def test_the_folder_never_follows_a_symbolic_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    storage = open_storage(str(tmp_path / "store"), secret=SECRET)
    (tmp_path / "store" / "link").symlink_to(outside)
    (tmp_path / "store" / "file").symlink_to(outside / "secret")
    for key in ("link/secret", "file"):
        with pytest.raises(ValueError, match="symbolic link"):
            storage.get(key)
        with pytest.raises(ValueError, match="symbolic link"):
            storage.put(key, b"overwritten")
    assert keys(storage) == []
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_key_below_another_object_is_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path), secret=SECRET)
    storage.put("a/b", b"")
    for key in ("a", "a/b/c"):
        with pytest.raises(ValueError, match="folder of other keys or lies under one"):
            storage.put(key, b"")
        with pytest.raises(ValueError, match="folder of other keys or lies under one"):
            storage.create(key, b"")


def test_a_folder_that_is_a_file_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailableError):
        open_storage(str(tmp_path / "file"), secret=SECRET)


def signed_query(key: str, url: str) -> dict[str, str]:
    assert url.startswith(f"/files/{key}?")
    return dict(parse_qsl(urlsplit(url).query))


def test_the_folders_url_verifies_until_it_expires(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path), secret=SECRET)
    url = storage.url("a/b.png", expires_s=60, filename="ü.png", content_type="image/png")
    query = signed_query("a/b.png", url)
    verify(SECRET, "a/b.png", query)
    with pytest.raises(ForbiddenError, match="expires"):
        verify(SECRET, "a/b.png", query, now=time.time() + 61)


@pytest.mark.parametrize("field", ["expires", "type", "name", "signature"])
def test_a_url_with_any_part_changed_or_missing_is_forbidden(field: str) -> None:
    query = signed_query("a", sign(SECRET, "a", expires_s=60, filename="b", content_type="c/d"))
    without = {name: value for name, value in query.items() if name != field}
    for changed in ({**query, field: query[field] + "1"}, {**query, field: "é"}, without):
        with pytest.raises(ForbiddenError, match="signature"):
            verify(SECRET, "a", changed)
    with pytest.raises(ForbiddenError, match="signature"):
        verify(SECRET, "another", query)
    with pytest.raises(ForbiddenError, match="signature"):
        verify(b"another secret", "a", query)


# S3 alone


def test_a_presigned_url_serves_the_object_with_its_type_and_name(endpoint: S3Endpoint) -> None:
    storage = open_s3("s3://tailor-test/urls", endpoint)
    storage.put("a/b.png", b"pixels")
    answer = httpx.get(storage.url("a/b.png", expires_s=60, filename="dög.png", content_type="image/png"))
    assert (answer.status_code, answer.content) == (200, b"pixels")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename=\"d_g.png\"; filename*=UTF-8''d%C3%B6g.png"


def test_an_expired_or_changed_presigned_url_is_refused(endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_s3("s3://tailor-test/urls", endpoint)
    storage.put("a", b"")
    url = storage.url("a", expires_s=60, filename="a", content_type="image/png")
    assert httpx.get(url.replace("image%2Fpng", "text%2Fhtml")).status_code == 403
    an_hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: an_hour_ago)
    assert httpx.get(storage.url("a", expires_s=60, filename="a", content_type="image/png")).status_code == 403


def test_urls_are_signed_for_the_public_endpoint(endpoint: S3Endpoint) -> None:
    public = endpoint.endpoint_url.replace("127.0.0.1", "localhost")
    storage = open_s3("s3://tailor-test/urls", endpoint, s3_public_endpoint_url=public)
    storage.put("a", b"pixels")
    url = storage.url("a", expires_s=60, filename="a", content_type="image/png")
    assert url.startswith(public)
    assert httpx.get(url).content == b"pixels"


def test_refused_credentials_are_said_to_be_refused(endpoint: S3Endpoint) -> None:
    with pytest.raises(StorageUnavailableError, match="credentials are refused"):
        open_s3("s3://tailor-test", endpoint, s3_secret_key="wrong")


def test_a_missing_bucket_is_an_error_unless_it_may_be_made(endpoint: S3Endpoint) -> None:
    with pytest.raises(StorageUnavailableError, match="no bucket 'not-yet'"):
        open_s3("s3://not-yet", endpoint, s3_create_bucket=False)
    open_s3("s3://not-yet", endpoint).put("a", b"1")
    assert open_s3("s3://not-yet", endpoint, s3_create_bucket=False).get("a") == b"1"


def test_a_create_whose_answer_was_lost_still_knows_that_it_won(endpoint: S3Endpoint) -> None:
    """The retry after a lost answer meets the first try's own object: 412, and yet this writer is the winner."""
    storage = open_s3("s3://tailor-test/lost", endpoint)
    client = storage._client  # type: ignore[attr-defined]  # the answer is lost between the server and this client
    statuses: list[int] = []

    def send_and_lose_the_first_answer(request: Any, **_: object) -> Any:
        answer = client._endpoint.http_session.send(request)
        statuses.append(answer.status_code)
        if len(statuses) == 1:
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    client.meta.events.register("before-send.s3.PutObject", send_and_lose_the_first_answer)
    assert storage.create("end.json", b"mine") is True
    assert statuses == [200, 412]
    assert storage.create("end.json", b"mine") is False


def test_a_store_that_is_down_is_unavailable(endpoint: S3Endpoint) -> None:
    [port] = free_ports(1)
    with pytest.raises(StorageUnavailableError, match="does not answer"):
        open_s3("s3://tailor-test", endpoint, s3_endpoint_url=f"http://127.0.0.1:{port}")
