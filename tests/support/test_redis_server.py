from __future__ import annotations

import pytest
import redis

from tests.support.redis_server import redis_server


def test_a_killed_server_comes_back_on_the_same_address_with_what_it_had_written() -> None:
    with redis_server(append_only=True) as server, server.client() as client:
        client.set("kept", "yes")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.start()
        assert client.get("kept") == "yes"


def test_without_append_only_a_restart_forgets_everything() -> None:
    with redis_server() as server, server.client() as client:
        client.set("kept", "no")
        server.stop()
        server.start()
        assert client.get("kept") is None


def test_nothing_is_left_after_the_block() -> None:
    with redis_server() as server:
        process = server.process
    assert process is not None
    assert process.returncode is not None
    assert not server.folder.exists()
