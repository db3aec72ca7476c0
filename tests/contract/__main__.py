"""`python -m tests.contract [OPTIONS of st run]`: holds a real server to its OpenAPI document, with schemathesis."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from core.config import REPOSITORY
from tests.contract.stack import Contract, served

LONG = ("--max-examples", "60")
CONFIG = Path(__file__).with_name("schemathesis.toml")


def command(contract: Contract, *options: str, config: Path = CONFIG) -> list[str]:
    """Return the command that generates cases from the server's document and checks its answers."""
    location = f"{contract.url}/openapi.json"
    return [
        str(Path(sys.executable).with_name("st")), "--config-file", str(config),
        "run", location, "--url", f"{contract.url}/v1",
        "--checks", "all", "--continue-on-failure", "--request-timeout", "60", *options,
    ]  # fmt: skip


def environment(contract: Contract) -> dict[str, str]:
    """Return the variables that the command needs."""
    return os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.contract.hooks",
        "CONTRACT_KEY": contract.key,
        "CONTRACT_RECEIVER": contract.receiver.url("/picture.png"),
        "PYTHONPATH": str(REPOSITORY),
    }


def main(options: list[str]) -> int:
    """Run all phases; returns schemathesis' exit code, 0 when nothing failed."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as contract:
        words = command(contract, *(options or LONG))
        return subprocess.run(words, cwd=folder, env=environment(contract), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
