"""What the health check of a worker's container says."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from core.live.connection import connect
from core.live.store import LiveStore
from core.live.workers import Workers
from tests.support.redis_server import redis_server
from worker import health

OWN = f"{socket.gethostname()}-7-abc"


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    with redis_server() as endpoint:
        monkeypatch.setenv("TAILOR_REDIS_URL", endpoint.url)
        yield LiveStore(connect(endpoint.url)).workers


def exit_code() -> object:
    with pytest.raises(SystemExit) as ended:
        health.main()
    return ended.value.code or 0


def test_only_a_worker_of_this_host_counts_and_only_until_it_says_that_it_ends(workers: Workers) -> None:
    workers.beat("elsewhere-7-abc", {}, ttl_s=60)
    assert exit_code() == 1

    workers.beat(OWN, {}, ttl_s=60)
    assert exit_code() == 0

    workers.leave(OWN)
    assert exit_code() == 1


def test_a_wrong_clock_is_told_and_is_no_reason_to_start_the_worker_again(
    workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    workers.beat(OWN, {"clock_skew_s": 0.2}, ttl_s=60)
    assert exit_code() == 0
    assert capsys.readouterr().out == ""

    workers.beat(OWN, {"clock_skew_s": 259200.0}, ttl_s=60)
    assert exit_code() == 0
    assert "259200.0 s off" in capsys.readouterr().out
