"""`tailor keys`, and the keys that the other commands send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from core.config import Settings
from core.services import Services
from tailor_client import Tailor
from tests.api.serving import api_server, picture


@pytest.fixture
def guarded(settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A server that wants keys; the commands talk to it, and find its storage."""
    with api_server(settings.model_copy(update={"require_keys": "always"})) as client:
        monkeypatch.setenv("TAILOR_URL", str(client.base_url))
        monkeypatch.setenv("TAILOR_STORAGE", settings.storage)
        yield client


def tailor(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, list(words), env=env)


def make(name: str, *options: str) -> str:
    """Make a key; returns it."""
    made = tailor("keys", "create", name, *options)
    assert made.exit_code == 0, made.output
    return made.stdout.strip()


def test_a_key_is_printed_alone_and_once_and_opens_what_it_is_for(guarded: httpx.Client) -> None:
    key = make("printed", "--scope", "read")
    assert guarded.get("/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    listed = tailor("keys", "list").stdout
    assert "printed" in listed
    assert key.split("_")[1] in listed
    assert key.split("_")[2] not in listed


def test_every_command_sends_the_key_from_the_environment_or_a_file(guarded: httpx.Client, tmp_path: Path) -> None:
    key, dog = make("dave"), tmp_path / "dog.png"
    dog.write_bytes(picture())
    (tmp_path / "key").write_text(key + "\n")
    by_environment = {"TAILOR_API_KEY": key}
    sent = tailor("personalize", str(dog), "a standing dog", "--no-wait", env=by_environment)
    assert sent.exit_code == 0, sent.output
    tail_id = sent.stdout.splitlines()[-1]
    job_id = tail_id.replace("tail_", "job_")
    by_file = ("--key-file", str(tmp_path / "key"))
    for words in (
        ("edit", tail_id, "a sitting dog", "--no-wait"),
        ("status", job_id),
        ("models",),
        ("cancel", job_id),
    ):
        assert (words, tailor(*words).exit_code) == (words, 2)
        assert (words, tailor(*words, *by_file).exit_code) == (words, 0)


def test_without_a_key_a_command_says_where_it_belongs(guarded: httpx.Client) -> None:
    refused = tailor("models")
    assert "TAILOR_API_KEY" in refused.stderr
    assert "Traceback" not in refused.output


def test_a_key_is_not_sent_to_whoever_serves_a_signed_url() -> None:
    seen: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=[])

    with Tailor("http://tailor.test", key="tailor_key", transport=httpx.MockTransport(serve)) as client:
        client.models()
        client.download("https://s3.test/picture?signature=x")
        client.download("http://tailor.test/files/picture?signature=x")
    assert [request.headers.get("Authorization") for request in seen] == ["Bearer tailor_key", None, None]


def test_the_next_key_of_an_owner_is_asked_for_by_name(guarded: httpx.Client) -> None:
    make("erin")
    again = tailor("keys", "create", "erin")
    assert (again.exit_code, "--owner erin" in again.stderr) == (2, True)
    make("erin-laptop", "--owner", "erin")
    default = tailor("keys", "create", "public")
    assert (default.exit_code, "--owner public" in default.stderr) == (2, True)


def test_a_revoked_key_is_listed_as_such_and_its_owner_keeps_the_name(guarded: httpx.Client) -> None:
    make("frank")
    assert "revoked 2" in tailor("keys", "revoke", "frank").stdout
    assert [line for line in tailor("keys", "list").stdout.splitlines() if "frank" in line and "revoked 2" in line]
    assert tailor("keys", "create", "frank").exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "a name"), "name"),
        (("create", "grace", "--scope", "read,write"), "'write'"),
        (("create", "grace", "--owner", "../x"), "owner"),
        (("revoke", "nobody"), "nobody"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(guarded: httpx.Client, words: tuple[str, ...], said: str) -> None:
    refused = tailor("keys", *words)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.output


def test_a_folder_without_a_server_is_no_place_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAILOR_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    refused = tailor("keys", "create", "heidi")
    assert (refused.exit_code, "data/storage" in refused.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
