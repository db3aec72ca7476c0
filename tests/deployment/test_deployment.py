"""Every path, command, port and name in the compose file and the Dockerfiles exists in the repository."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from core.config import Settings
from tests.deployment.files import (
    DOCKERFILES,
    REPOSITORY,
    arguments,
    compose,
    copied_sources,
    image,
    reaches_builder,
    stages,
    text,
    variables,
)

SERVICES = sorted(compose()["services"])
FILES = ("docker-compose.yml", ".env.example", *DOCKERFILES)


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def requirements(*extras: str) -> set[str]:
    printed = subprocess.run(
        [sys.executable, "scripts/requirements.py", *extras], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    return {Requirement(line).name for line in printed.splitlines()}


@pytest.mark.parametrize("name", FILES)
def test_every_tailor_variable_is_a_setting(name: str) -> None:
    known = {f"TAILOR_{field.upper()}" for field in Settings.model_fields}
    assert variables(name) <= known


def test_every_variable_of_compose_is_explained_in_the_example_environment() -> None:
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", text("docker-compose.yml")))
    assert used == set(re.findall(r"^([A-Z0-9_]+)=", text(".env.example"), flags=re.MULTILINE))


def test_the_example_environment_repeats_the_defaults_of_compose() -> None:
    defaults = dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", text("docker-compose.yml")))
    assert defaults == dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text(".env.example"), flags=re.MULTILINE))


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_of_every_service_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "build" not in service(name):
        assert name in ("redis", "s3", "proxy")
        return
    for variable, value in service(name)["environment"].items():
        monkeypatch.setenv(variable, re.sub(r"\$\{[A-Z0-9_]+:-([^}]*)\}", r"\1", value))
    settings = Settings(_env_file=None)
    assert settings.storage.startswith("s3://")
    assert settings.redis_url.startswith("redis://redis:")


def test_every_worker_on_a_gpu_has_one_of_its_own() -> None:
    devices = {
        name: service(name)["deploy"]["resources"]["reservations"]["devices"]
        for name in SERVICES
        if name.startswith("worker-gpu")
    }
    assert sorted(device["device_ids"] for (device,) in devices.values()) == [["0"], ["1"]]
    assert [service(name)["profiles"] for name in sorted(devices)] == [["gpu", "two-gpus"], ["two-gpus"]]
    assert {service(name)["environment"]["TAILOR_DEVICE"] for name in devices} == {"cuda"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name: str) -> None:
    build = service(name).get("build")
    assert "healthcheck" in service(name) or arguments(build["dockerfile"], "HEALTHCHECK")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_waits_for_services_that_exist_and_are_healthy(name: str) -> None:
    for other, condition in service(name).get("depends_on", {}).items():
        assert other in SERVICES
        assert condition == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_declared_and_mounted_where_its_service_writes(name: str) -> None:
    for volume in service(name).get("volumes", []):
        source, target = volume.split(":")
        assert source in compose()["volumes"]
        build = service(name).get("build")
        writes_to = image(build["dockerfile"]).environment()["HF_HOME"] if build else "/data"
        assert target == writes_to


@pytest.mark.parametrize("name", SERVICES)
def test_every_build_names_a_dockerfile_and_arguments_that_it_takes(name: str) -> None:
    build = service(name).get("build")
    if build is None:
        assert re.fullmatch(r"[a-z0-9/]+:[0-9.]+", service(name)["image"]), "a fixed version"
        return
    assert build["dockerfile"] in DOCKERFILES
    taken = {argument.partition("=")[0] for argument in arguments(build["dockerfile"], "ARG")}
    assert set(build.get("args", {})) <= taken


def test_the_published_ports_are_those_that_the_servers_listen_on() -> None:
    command = json.loads(arguments("Dockerfile.api", "CMD")[0])
    listens = command[command.index("--port") + 1]
    assert service("api")["ports"][0].endswith(f":{listens}")
    assert arguments("Dockerfile.api", "EXPOSE") == [listens]
    assert f":{listens}/healthz" in arguments("Dockerfile.api", "HEALTHCHECK")[0]
    assert service("s3")["ports"][0].endswith(":8333")
    assert service("api")["environment"]["TAILOR_S3_ENDPOINT_URL"] == "http://s3:8333"


def test_redis_keeps_its_data_and_evicts_nothing() -> None:
    command = shlex.split(service("redis")["command"])
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"


def test_the_bucket_that_the_s3_server_makes_is_the_one_that_storage_uses() -> None:
    assert "-bucket=tailor" in service("s3")["command"].split()
    assert "TAILOR_STORAGE:-s3://tailor}" in text("docker-compose.yml")


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_every_copied_path_exists_and_reaches_the_builder(dockerfile: str) -> None:
    sources = copied_sources(dockerfile)
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    assert [source for source in sources if not reaches_builder(source)] == []


@pytest.mark.parametrize(
    "path",
    ["tests/__init__.py", ".venv/bin/python", ".git/config", ".env", "models/critters/judges"],
)
def test_what_no_image_needs_stays_with_its_owner(path: str) -> None:
    assert not reaches_builder(path)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_stages_copy_from_stages_that_exist_and_paths_are_the_same_in_all(dockerfile: str) -> None:
    names = [stage.name for stage in stages(dockerfile)]
    copies = "\n".join(image(dockerfile).all("COPY"))
    copied = re.findall(r"^--from=(\w+) (/app/\w+) (\w+)$", copies, flags=re.MULTILINE)
    assert {name for name, _, _ in copied} == set(names) - {""}
    assert all(source == f"/app/{target}" for _, source, target in copied)
    assert {tuple(stage.all("WORKDIR")) for stage in stages(dockerfile)} == {("/app",)}


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_images_run_as_an_ordinary_user_and_get_sigterm_themselves(dockerfile: str) -> None:
    assert arguments(dockerfile, "USER") == ["10001"]
    assert isinstance(json.loads(arguments(dockerfile, "CMD")[0]), list)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_images_have_a_supported_python(dockerfile: str) -> None:
    [base] = {stage.base for stage in stages(dockerfile)}
    version = base.removeprefix("python:").removesuffix("-slim")
    assert (3, 11) <= tuple(int(part) for part in version.split(".")) < (3, 14)


def test_the_api_image_installs_no_torch_and_the_worker_image_does() -> None:
    heavy = {"torch", "diffusers", "transformers"}
    assert any("requirements.py > " in run for run in arguments("Dockerfile.api", "RUN"))
    assert not requirements() & heavy
    assert any("requirements.py worker > " in run for run in arguments("Dockerfile.worker", "RUN"))
    assert requirements("worker") >= heavy


def test_every_dependency_is_pinned_within_what_pyproject_asks() -> None:
    pins = dict(line.split("==") for line in text("constraints.txt").splitlines() if not line.startswith("#"))
    project = tomllib.loads(text("pyproject.toml"))["project"]
    asked = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    client = tomllib.loads(text("client/pyproject.toml"))["project"]
    pins["tailor-client"] = client["version"]
    for requirement in map(Requirement, [*asked, *client["dependencies"]]):
        assert requirement.specifier.contains(pins[requirement.name.lower().replace("_", "-")]), requirement
    assert "torch==2.13.0" in text("Dockerfile.worker")
    assert pins["torch"] == "2.13.0"
