"""What the Dockerfiles copy and install, and nothing else, does a job: the quick form of `make test-images`."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from core.shipped import sample_picture
from core.version import tailor_version
from tests.deployment.files import DOCKERFILES, REPOSITORY
from tests.deployment.folder_image import FolderBuilder, FolderImage
from tests.support.ports import free_ports
from tests.support.redis_server import redis_server

pytestmark = pytest.mark.slow
PATIENCE_S = 120.0
OURS = ("api", "core", "worker", "cli")
FOUND = f"""
import importlib.util, json
names = {[*OURS, "tests", "bench", "pretrain", "torch", "diffusers", "transformers", "tailor_critters"]!r}
print(json.dumps({{name: list(spec.submodule_search_locations) for name in names
                  if (spec := importlib.util.find_spec(name))}}))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FolderImage]:
    """Both images, by the name of their Dockerfile."""
    return {name: FolderBuilder(name, tmp_path_factory.mktemp(name)).build() for name in DOCKERFILES}


@dataclass
class Running:
    """The two images at work on one Redis and one storage folder."""

    processes: dict[str, subprocess.Popen[bytes]]
    client: httpx.Client

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Ask until it has happened; they are other processes, so there is no event to wait for."""
        end = time.monotonic() + PATIENCE_S
        while not happened():
            ended = {name: process.poll() for name, process in self.processes.items() if process.poll() is not None}
            assert not ended, f"ended while waiting for {what}: {ended}"
            assert time.monotonic() < end, f"waited in vain for {what}"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return bool(self.client.get("/readyz").json()["models"])
        except (httpx.TransportError, ValueError, KeyError):
            return False

    def succeeded(self, answer: httpx.Response) -> dict[str, Any]:
        """Wait for the end of the job that was sent; returns it."""
        assert answer.status_code == 202, answer.text
        job = answer.json()
        while job["status"] in ("waiting", "queued", "running"):
            job = self.client.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"}).json()
        assert job["status"] == "succeeded", job
        return dict(job)


@contextmanager
def process(image: FolderImage, command: list[str], log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of an image until the block ends; what it says is shown if the test fails."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, cwd=image.folder, env=image.environment | env, stdout=output, stderr=output)
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        print(f"--- {log.name}\n{log.read_text()}")  # noqa: T201 - pytest shows it beside a failure


@pytest.fixture(scope="module")
def running(images: dict[str, FolderImage], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    api, worker = images["Dockerfile.api"], images["Dockerfile.worker"]
    [port] = free_ports(1)
    serve = api.command("CMD")
    serve[serve.index("0.0.0.0")] = "127.0.0.1"
    serve[serve.index("8000")] = str(port)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        env = {"TAILOR_REDIS_URL": redis.url, "TAILOR_STORAGE": str(folder / "storage")}
        start = worker.command("CMD")
        processes = {
            "api": stack.enter_context(process(api, serve, folder / "api.log", **env)),
            "worker": stack.enter_context(process(worker, start, folder / "worker.log", **env)),
        }
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        started = Running(processes, client)
        started.until(started.is_ready, "a worker that has published its model")
        yield started


@pytest.mark.parametrize("name", DOCKERFILES)
def test_our_code_comes_from_the_wheels_and_torch_is_only_in_the_workers_image(
    images: dict[str, FolderImage], name: str
) -> None:
    image = images[name]

    done = image.python(FOUND)

    found = json.loads(done.stdout)
    site = next((image.folder / "venv").glob("lib/python*/site-packages"))
    only_worker = {"torch", "diffusers", "transformers", "tailor_critters"} if name == "Dockerfile.worker" else set()
    assert set(found) == {*OURS, *only_worker}
    assert {found[package][0] for package in OURS} == {str(site / package) for package in OURS}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_knows_its_version_and_has_the_command_line(images: dict[str, FolderImage], name: str) -> None:
    image = images[name]
    tailor = shutil.which("tailor", path=image.environment["PATH"])
    assert tailor

    done = subprocess.run([tailor, "--version"], env=image.environment, capture_output=True, text=True, check=False)

    assert done.stdout == f"tailor {tailor_version()}\n", done.stderr


def test_the_images_do_the_main_job(running: Running) -> None:
    sample = sample_picture()
    assert sample
    fields = {"prompt": "a standing dog", "steps": "20", "seed": "1"}
    learned = running.succeeded(
        running.client.post("/personalize", files={"picture": sample.read_bytes()}, data=fields)
    )

    edit = {"tail_id": learned["tail_id"], "prompt": "a sitting dog", "num_inference_steps": 4, "seed": 1}
    made = running.succeeded(running.client.post("/edit", json=edit))

    [result] = made["results"]
    with Image.open(io.BytesIO(running.client.get(result["url"]).content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert made["receipt"]["versions"]["tailor"] == tailor_version()
    assert running.client.get("/openapi.json").json()["info"]["version"] == tailor_version()


@pytest.mark.parametrize(("name", "module"), [("Dockerfile.worker", "worker"), ("Dockerfile.api", "api.app")])
def test_sources_that_are_not_installed_do_not_start_and_say_why(
    images: dict[str, FolderImage], name: str, module: str, tmp_path: Path
) -> None:
    """An image that held only the sources started, and failed every job when a receipt asked for the version."""
    image = images[name]
    for package in ("core", module.split(".", maxsplit=1)[0]):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    python = image.folder.parent / "stages" / "dependencies" / "venv" / "bin" / "python"

    done = subprocess.run(
        [str(python), "-m", module], cwd=tmp_path, env=image.environment, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "tailor is not installed here, only its sources are" in done.stderr
