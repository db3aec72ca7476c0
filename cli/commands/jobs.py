"""`tailor status`, `jobs`, `fetch`, `cancel` and `delete`: what becomes of jobs."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.asking import asking, ended
from cli.commands.options import Json, JsonLines, KeyFile, Label, OutFolder, Url, labels_of
from cli.progress import state_of
from cli.results import save_results, writable
from tailor_client import Job
from tailor_client.answers import JobKind, JobStatus

Statuses = Annotated[list[JobStatus] | None, typer.Option("--status", help="One of these. Repeatable.")]
Most = Annotated[int, typer.Option("-n", "--most", min=1, help="How many at most, the newest first.")]
Kind = Annotated[JobKind | None, typer.Option(help="personalize or edit.")]


def status(
    job_id: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None,
    as_json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Show a job, or what the server reports of itself."""
    with asking(url, key_file) as client:
        if job_id:
            job = client.job(job_id)
            typer.echo(job.model_dump_json() if as_json else line(job))
            return
        report = {"url": client.url, **client.readiness()}
    typer.echo(json.dumps(report) if as_json else "\n".join(f"{name}: {value}" for name, value in report.items()))


def jobs(
    *,
    kind: Kind = None,
    statuses: Statuses = None,
    tail: Annotated[str | None, typer.Option(help="Edits with this tail.")] = None,
    label: Label = None,
    most: Most = 20,
    as_json: JsonLines = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """List jobs, the newest first."""
    with asking(url, key_file) as client:
        found = client.jobs(kind=kind, status=statuses or (), tail=tail, labels=labels_of(label), page=min(most, 100))
        for job in islice(found, most):
            typer.echo(job.model_dump_json() if as_json else line(job))


def fetch(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A job's id, as --no-wait and --json print it.")],
    *,
    out: OutFolder = Path(),
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Save what a job has made, waiting for its end: an edit's pictures, or a tail; prints the files."""
    with asking(url, key_file) as client:
        folder = writable(out)
        job = client.job(job_id)
        job = job if job.status == JobStatus.SUCCEEDED else ended(client, job, job.kind)
        typer.echo("\n".join(str(file) for file in save_results(client, job, folder)))


def cancel(job_id: Annotated[str, typer.Argument(metavar="JOB")], url: Url = None, key_file: KeyFile = None) -> None:
    """Cancel a job."""
    with asking(url, key_file) as client:
        typer.echo(line(client.cancel(job_id)))


def delete(
    ids: Annotated[list[str], typer.Argument(metavar="JOB|TAIL...")],
    *,
    edits: Annotated[bool, typer.Option("--edits", help="Of a tail also all edits with it.")] = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Delete jobs or tails with all that is stored of them: pictures, results, and what a tail was learned from."""
    with asking(url, key_file) as client:
        for name in ids:
            is_tail = name.startswith("tail_")
            gone = client.delete_tail(name, edits=edits) if is_tail else client.delete_job(name)
            typer.echo(f"{name}: {len(gone.jobs)} jobs, {gone.objects} objects, {gone.bytes} bytes deleted")


def line(job: Job) -> str:
    """Say in one line what a job is and where it stands."""
    of = f" {job.step}/{job.steps}" if job.steps else ""
    why = f": {job.error.detail}" if job.error else ""
    named = "".join(f" {name}={value}" for name, value in job.labels.items())
    return f"{job.id} {job.kind} {state_of(job)}{of} {job.tail_id} {job.prompt!r}{named}{why}"
