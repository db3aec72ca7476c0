"""The servers that the fault suite runs Tailor on: Redis and S3 as services of a supervisor, behind proxies."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.fault.stack.proxy import Proxy
from cli.embedded import EmbeddedRedis
from cli.supervisor import Service
from cli.up import claim_port
from core.errors import StorageUnavailableError
from core.storage import S3Storage, Storage, open_storage

BUCKET = "tailor"
ACCESS_KEY, SECRET_KEY = "faults", "faults-of-one-run"
HOST = "127.0.0.1"


class RedisServer:
    """A Redis with an append-only file; `wipe_next` lets it begin empty when it is started next."""

    def __init__(self, folder: Path) -> None:
        self._redis = EmbeddedRedis.in_folder(folder)
        self._wipe = folder / "wipe"
        self.proxy = Proxy(self._redis.socket)

    @property
    def url(self) -> str:
        """Its address behind the proxy."""
        return f"redis://{HOST}:{self.proxy.port}/0"

    def wipe_next(self) -> None:
        """Let the next start delete all data first: a supervisor is too quick for anybody else to do it."""
        self._wipe.touch()

    @property
    def direct_url(self) -> str:
        """Its address past the proxy."""
        return self._redis.url

    def is_up(self) -> bool:
        """Tell whether it answers."""
        return self._redis.answers()

    def flush(self) -> None:
        """Delete all data."""
        with self._redis.client() as client:
            client.flushall()

    def service(self, logs: Path) -> Service:
        """Return what a supervisor keeps running."""
        script = 'if [ -e wipe ]; then rm -rf appendonlydir wipe; fi; exec "$@"'
        command = ["/bin/sh", "-c", f"cd {self._wipe.parent} && {script}", "redis", *self._redis.command]
        return Service("redis", command, logs / "redis.log", is_up=self._redis.answers)

    def remove(self) -> None:
        """Delete its socket."""
        self._redis.remove_socket()


@dataclass(frozen=True)
class FolderStore:
    """Storage in a folder, which nothing but a full disk can break."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """Return what Tailor's processes must know."""
        return {"TAILOR_STORAGE": str(self.folder)}

    def open(self) -> Storage:
        """Open it as an outsider."""
        return open_storage(str(self.folder), secret=b"")


class S3Store:
    """SeaweedFS, a real S3 server, with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._ports = _free_ports(8)
        self.proxy = Proxy((HOST, self._ports[0]))

    def environment(self, *, direct: bool = False) -> dict[str, str]:
        """Return what Tailor's processes must know: they go through the proxy unless it is left out."""
        return {
            "TAILOR_STORAGE": f"s3://{BUCKET}",
            "TAILOR_S3_ENDPOINT_URL": f"http://{HOST}:{self._ports[0] if direct else self.proxy.port}",
            "TAILOR_S3_ACCESS_KEY": ACCESS_KEY,
            "TAILOR_S3_SECRET_KEY": SECRET_KEY,
        }

    def open(self) -> Storage:
        """Open it as an outsider, past the proxy."""
        url = f"http://{HOST}:{self._ports[0]}"
        return S3Storage(BUCKET, endpoint_url=url, access_key=ACCESS_KEY, secret_key=SECRET_KEY)

    def service(self, logs: Path) -> Service:
        """Return what a supervisor keeps running."""
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        identity = {"name": "tailor", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
        config = self._folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        servers = ("s3", "master", "volume", "filer")
        names = [f"{server}.port{suffix}" for server in servers for suffix in ("", ".grpc")]
        flags = [f"-{name}={port}" for name, port in zip(names, self._ports, strict=True)]
        flags += [f"-dir={self._folder}", f"-ip={HOST}", f"-ip.bind={HOST}", "-filer", "-s3", f"-s3.config={config}"]
        flags += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false"]
        flags += ["-master.volumeSizeLimitMB=64", "-volume.max=100"]
        weed = Path(sys.executable).with_name("weed")
        # No variables of ours; its logs and sockets go to its folder as far as it lets us say so.
        env = {"HOME": str(self._folder), "TMPDIR": str(self._folder), "PATH": os.environ["PATH"]}
        up = self._is_up
        return Service("s3", [str(weed), "server", *flags], logs / "s3.log", env, is_up=up, start_timeout_s=90)

    def remove(self) -> None:
        """Delete the sockets that it leaves in /tmp; each carries one of its ports."""
        for port in self._ports:
            for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where SeaweedFS puts them
                leftover.unlink(missing_ok=True)

    def _is_up(self) -> bool:
        try:
            self.open().put("ready", b"")  # it takes buckets before it can take objects
        except StorageUnavailableError:
            return False
        return True


def _free_ports(count: int) -> list[int]:
    """Return distinct free ports."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(claim_port(HOST, 0))
    return sorted(ports)
