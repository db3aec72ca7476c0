"""What the server asks by itself, against a real server; only the name service is a stand-in."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trustme

from api.outbound.addresses import AddressGuard
from api.outbound.client import Answer, Outbound, OutboundError
from tests.support.receiver import Asked, Receiver, Reply, receiver

HERE = AddressGuard("127.0.0.1")


class Names:
    """A name service that answers as told, one answer a question, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:  # noqa: ARG002 - as a `Resolve` is called
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def ask(guard: AddressGuard, names: Names, url: str, *, tls: ssl.SSLContext | None = None, **more: Any) -> Answer:
    async def asking() -> Answer:
        outbound = Outbound(guard, names, tls)
        limits = {"max_bytes": 1000, "timeout_s": 20, "headers": {}} | more
        try:
            return await outbound.send(limits.pop("method", "GET"), httpx.URL(url), **limits)
        finally:
            await outbound.close()

    return asyncio.run(asking())


def test_the_name_goes_into_the_host_header_and_only_the_address_is_pinned() -> None:
    with receiver(lambda asked: Reply(200, asked.body)) as there:
        names = Names(["127.0.0.1"])
        url = there.url("/hook?a=1", host="pictures.example")
        answer = ask(HERE, names, url, method="POST", content=b"hello")
    assert (answer.status, answer.body, answer.cut) == (200, b"hello", False)
    assert there.asked[0].headers["host"] == f"pictures.example:{there.port}"
    assert there.asked[0].path == "/hook?a=1"
    assert names.asked == ["pictures.example"]


def test_a_name_that_changes_between_check_and_use_changes_nothing() -> None:
    with receiver() as there:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        assert ask(HERE, names, there.url(host="rebinding.example")).status == 200
    assert len(names.asked) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"])
def test_an_inner_address_is_not_even_connected_to(address: str) -> None:
    with receiver() as there:
        with pytest.raises(OutboundError) as refused:
            ask(AddressGuard(), Names([address]), there.url(host="sneaky.example"))
        assert there.asked == []
    assert refused.value.reason == "inner-address"
    assert address not in refused.value.detail


def test_of_several_addresses_only_the_allowed_ones_are_dialed_until_one_answers() -> None:
    with receiver() as there:
        answer = ask(HERE, Names(["10.0.0.1", "127.0.0.1"]), there.url(host="mixed.example"))
        assert answer.status == 200
        both = AddressGuard("127.0.0.1, 127.0.0.2")
        assert ask(both, Names(["127.0.0.2", "127.0.0.1"]), there.url(host="mixed.example")).status == 200


def _tls(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str | None]]:
    """Return a server's and a client's context for a certificate of `name`, and the names that the server hears."""
    authority, heard = trustme.CA(), list[str | None]()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(server)
    authority.configure_trust(client)
    server.sni_callback = lambda _socket, said, _context: heard.append(said)
    return server, client, heard


def test_tls_checks_the_name_and_not_the_address() -> None:
    server, client, heard = _tls("pictures.example")
    with receiver(tls=server) as there:
        names = Names(["127.0.0.1"])
        assert ask(HERE, names, there.url(host="pictures.example", scheme="https"), tls=client).status == 200
        assert heard == ["pictures.example"]
        with pytest.raises(OutboundError) as refused:
            ask(HERE, names, there.url(host="others.example", scheme="https"), tls=client)
        assert refused.value.reason == "tls"
    assert len(there.asked) == 1


def test_a_redirect_is_an_answer() -> None:
    with receiver(lambda _: Reply(302, headers={"Location": "http://127.0.0.1/"})) as there:
        assert ask(HERE, Names(["127.0.0.1"]), there.url()).status == 302


def test_no_more_is_kept_than_was_wanted() -> None:
    with receiver(lambda _: Reply(200, b"x" * 1_000_000)) as there:
        answer = ask(HERE, Names(["127.0.0.1"]), there.url())
    assert (len(answer.body), answer.cut) == (1000, True)


def test_an_answer_that_comes_drop_by_drop_ends_with_the_time() -> None:
    stop = threading.Event()

    def drip(write: Callable[[bytes], Any]) -> None:
        while not stop.wait(0.1):
            write(b".")

    with receiver(lambda _: Reply(200, drip=drip)) as there:
        began = time.monotonic()
        with pytest.raises(OutboundError) as late:
            ask(HERE, Names(["127.0.0.1"]), there.url(), timeout_s=0.5)
        assert late.value.reason == "timeout"
        assert time.monotonic() - began >= 0.5
        stop.set()


def test_who_is_not_there_is_unreachable() -> None:
    with receiver() as there:
        url = there.url()
    with pytest.raises(OutboundError) as nobody:
        ask(HERE, Names(["127.0.0.1"]), url)
    assert nobody.value.reason == "unreachable"


def test_what_is_no_http_is_broken() -> None:
    def garbage(asked: Asked) -> Reply:
        raise ConnectionAbortedError

    with receiver(garbage) as there, pytest.raises(OutboundError) as broken:
        ask(HERE, Names(["127.0.0.1"]), there.url())
    assert broken.value.reason == "broken"
    assert isinstance(there, Receiver)
