"""What `make test-images` reads: docker-compose.yml, and this machine's pip settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.images import pip_settings
from tests.images.builder import qualified
from tests.images.compose import read_services


def test_the_services_are_those_without_a_profile_with_what_env_sets_filled_in() -> None:
    services = read_services({"API_PORT": "1234", "TAILOR_S3_SECRET_KEY": "secret"})

    assert sorted(services) == ["api", "redis", "s3", "worker"]
    assert services["api"].ports == [(1234, 8000)]
    assert services["worker"].environment["TAILOR_S3_SECRET_KEY"] == "secret"
    assert services["worker"].environment["TAILOR_S3_ACCESS_KEY"] == "tailor"
    assert services["s3"].command[0] == "mini"
    assert services["redis"].health == ["redis-cli", "ping"]
    assert [services[name].grace_s for name in ("worker", "api")] == [60, 10]


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("redis:8", "docker.io/library/redis:8"),
        ("chrislusf/seaweedfs:4.48", "docker.io/chrislusf/seaweedfs:4.48"),
        ("localhost/tailor-api:test", "localhost/tailor-api:test"),
    ],
)
def test_an_image_is_called_by_its_full_name(tag: str, name: str) -> None:
    assert qualified(tag) == name


def test_pips_settings_hold_in_a_build_with_the_paths_that_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, index, certificate = tmp_path / "wheels", tmp_path / "pypi" / "simple", tmp_path / "own.pem"
    wheels.mkdir()
    index.mkdir(parents=True)
    certificate.write_text("")
    listed = f":env:.cert='{certificate}'\nglobal.cert='/another.pem'\nglobal.prefix='/home/me'\n"
    listed += f"global.extra-index-url='file://{index} https://example.org/simple'\nglobal.find-links='{wheels}'\n"
    monkeypatch.setattr(pip_settings, "output", lambda *_: listed)
    folder = tmp_path / "build"
    folder.mkdir()

    mounts = pip_settings.pip_mounts(folder)

    assert (folder / "pip.conf").read_text().splitlines() == [
        "[global]",
        "cert = /etc/pip-cert.pem",
        f"extra-index-url = file://{index} https://example.org/simple",
        f"find-links = {wheels}",
    ]
    assert mounts == [
        (folder / "pip.conf", "/etc/pip.conf"),
        (certificate, "/etc/pip-cert.pem"),
        (index.parent, str(index.parent)),
        (wheels, str(wheels)),
    ]
