from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import StorageUnavailableError
from core.storage import S3Storage
from tests.support.ports import free_ports

READY_S = 60
READY_BUCKET = "ready"  # made while waiting; S3 bucket names have at least three characters


@dataclass(frozen=True)
class S3Endpoint:
    """A running S3 server on this machine."""

    endpoint_url: str
    access_key: str
    secret_key: str


@contextmanager
def s3_server() -> Iterator[S3Endpoint]:
    """Run a real SeaweedFS with its data in a temporary folder until the block ends."""
    with tempfile.TemporaryDirectory(prefix="weed-") as folder:
        ports = free_ports(8)
        endpoint = S3Endpoint(f"http://127.0.0.1:{ports[0]}", "tailor-test", "tailor-test-secret")
        log = Path(folder) / "weed.log"
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}  # its logs go there too
        with log.open("wb") as output:
            command = _command(Path(folder), endpoint, ports)
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
        try:
            _wait_until_ready(endpoint, process, log)
            yield endpoint
        finally:
            process.kill()  # its data goes with the folder, so there is nothing to end gently
            process.wait()
            _remove_sockets(ports)


def _command(folder: Path, endpoint: S3Endpoint, ports: list[int]) -> list[str]:
    credentials = [{"accessKey": endpoint.access_key, "secretKey": endpoint.secret_key}]
    identity = {"name": "test", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc"]
    names += ["volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"]
    flags = [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
    flags += [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.config={config}"]
    flags += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false"]
    flags += ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
    return [str(Path(sys.executable).parent / "weed"), "server", *flags]


def _remove_sockets(ports: list[int]) -> None:
    """Remove the sockets that SeaweedFS leaves in /tmp, which no setting moves; each carries one of its ports."""
    for port in ports:
        for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            leftover.unlink(missing_ok=True)


def _wait_until_ready(endpoint: S3Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not _writes(endpoint):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"SeaweedFS did not become ready:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _writes(endpoint: S3Endpoint) -> bool:
    """Say if an object can be written; a server whose volumes are not there yet takes buckets only."""
    url, access_key, secret_key = endpoint.endpoint_url, endpoint.access_key, endpoint.secret_key
    try:
        storage = S3Storage(READY_BUCKET, endpoint_url=url, access_key=access_key, secret_key=secret_key)
        storage.put("ready", b"ready")
    except StorageUnavailableError:
        return False
    return True
