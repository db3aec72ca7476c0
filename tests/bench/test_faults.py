"""The fault suite sees what it is there to see."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
import pytest

from bench.fault.client.http import Apis
from bench.fault.client.ledger import Entry, Ledger, note_accepted, note_ended
from bench.fault.kinds import Fault, Kind, plan
from bench.fault.stack.fleet import Life
from bench.fault.stack.proxy import Proxy
from bench.fault.stack.servers import FolderStore
from bench.fault.strikes import Strike
from bench.fault.verdict.audit import Findings, audit
from bench.fault.verdict.recovery import History, recovery_times
from bench.fault.verdict.tables import rows
from core.clock import utc_now
from core.jobs import keys
from core.jobs.ids import new_job_id
from core.jobs.records import JobEnd, JobStatus
from core.storage import Storage

WHEN = "2026-01-01T00:00:00Z"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "storage")


@pytest.fixture
def storage(store: FolderStore) -> Storage:
    return store.open()


def put_end(storage: Storage, job_id: str, **fields: object) -> None:
    end = {"job_id": job_id, "status": JobStatus.SUCCEEDED, "ended_at": utc_now()} | fields
    storage.put(keys.spec(job_id), b"{}")
    storage.put(keys.end(job_id), JobEnd.model_validate(end).model_dump_json().encode())


def put_claim(storage: Storage, job_id: str, number: int, worker: str) -> None:
    note = {"worker": worker, "at": utc_now().isoformat()}
    storage.put(keys.attempt(job_id, number), json.dumps(note).encode())


def sent(ledger: Ledger, job_id: str, **seen: object) -> Entry:
    entry = ledger.new("/edit", {"prompt": "a dog"})
    note_accepted(entry, {"id": job_id})
    if seen:
        note_ended(entry, {"status": "canceled", "ended_at": WHEN, "receipt": None, "results": []} | seen)
        entry.asked_to_end = True
    return entry


def judged(ledger: Ledger, storage: Storage, store: FolderStore, **told: object) -> Findings:
    job = {"status": "canceled", "ended_at": WHEN, "receipt": None, "results": []} | told
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=job))
    return audit(ledger, Apis(["http://api"], transport), storage, store, settle_s=0)


def test_a_seed_gives_the_same_faults_each_time_and_each_kind_first() -> None:
    first, again = (list(islice(plan(5, set(Kind), quick=False), 40)) for _ in range(2))

    assert first == again
    assert {fault.kind for fault in first[: len(Kind)]} == set(Kind)
    assert first != list(islice(plan(6, set(Kind), quick=False), 40))


def test_a_job_that_ended_once_and_left_nothing_is_clean(storage: Storage, store: FolderStore) -> None:
    ledger, job_id = Ledger(0), new_job_id()
    put_end(storage, job_id, status="canceled")
    sent(ledger, job_id, status="canceled")

    assert judged(ledger, storage, store).clean


def test_a_job_without_an_end_is_lost(storage: Storage, store: FolderStore) -> None:
    ledger, job_id = Ledger(0), new_job_id()
    storage.put(keys.spec(job_id), b"{}")
    sent(ledger, job_id)

    assert judged(ledger, storage, store).lost.keys() == {job_id}


def test_a_job_that_ends_in_another_way_later_is_doubled(storage: Storage, store: FolderStore) -> None:
    ledger, job_id = Ledger(0), new_job_id()
    put_end(storage, job_id, status="canceled")
    sent(ledger, job_id, status="canceled", ended_at="2025-12-31T00:00:00Z")

    assert judged(ledger, storage, store).doubled.keys() == {job_id}


def test_one_key_that_made_two_jobs_is_doubled(storage: Storage, store: FolderStore) -> None:
    ledger, ids = Ledger(0), sorted([new_job_id(), new_job_id()])
    for job_id in ids:
        put_end(storage, job_id, status="canceled")
    note_accepted(sent(ledger, ids[0], status="canceled"), {"id": ids[1]})

    assert judged(ledger, storage, store).doubled.keys() == {ids[0]}


def test_an_innocent_job_that_failed_is_told(storage: Storage, store: FolderStore) -> None:
    ledger, job_id = Ledger(0), new_job_id()
    error = {"type": "internal", "title": "Internal error", "detail": "a bug"}
    put_end(storage, job_id, status="failed", error=error)
    sent(ledger, job_id, status="failed")

    assert judged(ledger, storage, store, status="failed").failed == {job_id: "failed internal: a bug"}


@pytest.mark.parametrize(
    "left", ["open/20260102T0304-{}", "jobs/{}/out/0001/checkpoint-00000005.safetensors", "jobs/{}/out/0002/0.png"]
)
def test_what_lies_under_an_end_and_is_not_named_by_it_is_leaked(
    storage: Storage, store: FolderStore, left: str
) -> None:
    job_id = new_job_id()
    put_end(storage, job_id, result_keys=(f"jobs/{job_id}/out/0001/0.png",))
    storage.put(f"jobs/{job_id}/out/0001/0.png", b"")
    storage.put(left.format(job_id), b"")

    assert judged(Ledger(0), storage, store).leaked == {job_id: [left.format(job_id)]}


def test_whatever_lies_beside_a_tombstone_is_leaked(storage: Storage, store: FolderStore) -> None:
    job_id = new_job_id()
    put_end(storage, job_id, status="canceled", deleted=True)
    storage.put(f"jobs/{job_id}/attempts/0001.handed-back", b"")

    assert len(judged(Ledger(0), storage, store).leaked[job_id]) == 2  # and the spec


def test_the_picture_of_a_request_that_never_was_a_job_is_leaked(storage: Storage, store: FolderStore) -> None:
    job_id = new_job_id()
    storage.put(keys.picture(job_id, "0" * 64), b"")
    (store.folder / ".tmp" / "half").write_bytes(b"")

    assert judged(Ledger(0), storage, store).leaked.keys() == {job_id, "half"}


def test_recovery_is_from_the_break_to_the_next_claim_of_what_ran_there(storage: Storage) -> None:
    ran, was_over = new_job_id(), new_job_id()
    put_claim(storage, ran, 1, "host-7-abc")
    put_claim(storage, was_over, 1, "host-7-abc")
    broken_at = time.time()
    put_claim(storage, ran, 2, "host-8-abc")
    strike = Strike(Fault(0, Kind.WORKER_KILL, 0, 1.0, 1.0), broken_at, broken_at, (ran, was_over), worker_pid=7)
    history = History(storage, [ran, was_over])

    [seconds] = recovery_times([strike], history, [Life("worker-1", 7, 0.0, broken_at)])[Kind.WORKER_KILL]

    assert seconds == history.claims[ran][1].at - broken_at
    assert [row.hit for row in rows([strike], Findings(), history, [])] == [2, 2]


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: tuple[str, int]) -> Iterator[Proxy]:
    proxy = Proxy(echo)
    proxy.start()
    yield proxy
    proxy.stop()


def connected(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    connection.sendall(b"one")
    assert connection.recv(3) == b"one"
    return connection


def is_broken(connection: socket.socket) -> bool:
    try:
        return connection.recv(3) == b""
    except ConnectionResetError:
        return True


def test_a_cut_breaks_connections_and_lets_no_new_one_work_until_it_is_healed(proxy: Proxy) -> None:
    with connected(proxy) as before:
        proxy.cut()
        assert is_broken(before)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as meanwhile:
        assert is_broken(meanwhile)

    proxy.heal()

    connected(proxy).close()


def test_what_is_sent_during_a_stall_arrives_after_it(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        proxy.stall()
        connection.sendall(b"two")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(3)

        proxy.heal()

        connection.settimeout(10)
        assert connection.recv(3) == b"two"
