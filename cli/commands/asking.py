"""What every command does that asks a server: a client, a wait with a bar, one line for what went wrong."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from cli.progress import JobProgress, state_of
from cli.results import FolderError
from cli.up import read_server_file
from tailor_client import (
    Job,
    JobFailedError,
    Retries,
    ServerError,
    Tailor,
    TailorError,
    UnauthorizedError,
    UnreachableError,
)
from tailor_client.connection import DEFAULT_URL

DEFAULT_DATA = Path("data")
PATIENCE = Retries(tries=4, patience_s=10)  # somebody looks on: who has to wait for longer is told so
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def server_url(given: str | None) -> str:
    """Return the server to talk to: the one given, else the one of `tailor up` in ./data, else the default."""
    server = None if given else read_server_file(DEFAULT_DATA)
    return given or (str(server["url"]) if server else DEFAULT_URL)


@contextmanager
def asking(url: str | None, key_file: Path | None) -> Iterator[Tailor]:
    """Yield a client; what goes wrong ends the program with one line, and with what its exit code says."""
    # Ended by Ctrl-C or a closed pipe, it says nothing but what the exit code says.
    try:
        key = key_file.read_text(errors="replace") if key_file else None
        with Tailor(server_url(url), key=key, retries=PATIENCE) as client:
            yield client
    except UnauthorizedError as error:
        fail(f"{error}; it belongs into TAILOR_API_KEY or --key-file", 2)
    except UnreachableError as error:
        fail(str(error) if isinstance(error, ServerError) else f"{error}; start one with `tailor up`", 3)
    except JobFailedError as error:
        fail(str(error), 1)
    except (TailorError, FolderError) as error:
        fail(str(error), 2)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        fail(f"can't read {error.filename}: {error.strerror}", 2)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def ended(client: Tailor, job: Job, name: str) -> Job:
    """Return a job once it has ended, with a bar called `name` until then. Raises JobFailedError."""
    try:
        errors.print(f"{job.id} is {state_of(job)}", style="dim")
        (job,) = JobProgress(errors).follow(client, {job.id: name})
    except KeyboardInterrupt:
        look, stop = f"tailor status {job.id}", f"tailor cancel {job.id}"
        fail(f"not waiting any longer; the job goes on: look with `{look}`, end it with `{stop}`", 128 + signal.SIGINT)
    if job.status != "succeeded":
        raise JobFailedError(job)
    return job


def fail(message: str, code: int) -> NoReturn:
    """End the program with a line on standard error."""
    errors.print(f"tailor: {message}", markup=False)
    raise typer.Exit(code)
