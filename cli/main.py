"""The command line.

Exit codes: 0 done; 1 the job failed or was canceled; 2 wrong usage, or the server refused the request; 3 no server
answers, or it fails itself; 130 Ctrl-C.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from cli.client import DEFAULT_URL, ClientError, Job, TailorClient, UnreachableError
from cli.commands import keys
from cli.commands.words import pictures_and_prompts
from cli.demo import run_demo
from cli.parts import MissingPartError
from cli.progress import JobProgress, state_of
from cli.results import FolderError, save_results, writable
from cli.up import UpError, UpOptions, read_server_file, run_until_stopped
from core.jobs.records import JobStatus
from core.version import tailor_version

DEFAULT_DATA = Path("data")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="One picture of a subject in, any number of edits of that subject out.",
    epilog="Exit codes: 0 done; 1 the job failed or was canceled; 2 wrong usage or a refused request; "
    "3 no server answers; 130 Ctrl-C.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tailor {tailor_version()}")
        raise typer.Exit


app.add_typer(keys.app, name="keys")
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Url = Annotated[
    str | None, typer.Option(envvar="TAILOR_URL", help="The server; default: the one `tailor up` runs here.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="TAILOR_KEY_FILE", exists=True, dir_okay=False, help="A file with the API key; or TAILOR_API_KEY has it."
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end, with a progress bar.")]
Json = Annotated[bool, typer.Option("--json", help="Print the job as one line of JSON.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Makes a result repeatable; default: drawn by the server.")]


def main() -> None:
    """Run the command line."""
    app()


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take what stands before a command."""


@app.command()
def up(
    data: Annotated[Path, typer.Option(help="The folder of all data.")] = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    workers: Annotated[int | None, typer.Option(min=1, help="Default: one a GPU, or one.", show_default=False)] = None,
) -> None:
    """Run Redis, workers and the API here, restart what dies; Ctrl-C ends everything."""

    def show(name: str, line: str) -> None:
        typer.echo(f"{name:<9} | {line}", err=True)

    try:
        run_until_stopped(UpOptions(data.resolve(), host, port, workers), lambda line: show("tailor", line), show)
    except (UpError, MissingPartError) as error:
        _fail(str(error), 3)


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="The folder of its server's data.")] = Path("demo"),
    out: Annotated[Path, typer.Option("-o", "--out", dir_okay=False, help="The contact sheet.")] = Path("demo.png"),
) -> None:
    """Learn a sample picture and make edits of it, with a server of its own that is stopped afterwards."""
    try:
        writable(out.parent)
        run_demo(data.resolve(), out)
    except FolderError as error:
        _fail(str(error), 2)
    except (UpError, MissingPartError, UnreachableError) as error:
        _fail(str(error), 3)
    except ClientError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def personalize(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE... PROMPT",
            help='One or more pictures of the subject (JPEG, PNG or WebP), and what they show, as "a standing dog".',
        ),
    ],
    *,
    prompts: Annotated[
        list[str] | None,
        typer.Option("--prompt", help="In place of PROMPT: once for all pictures, or as often as there are pictures."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="One of `tailor models`.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Named settings, for example fast or paper.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    seed: Seed = None,
    wait: Wait = True,
    as_json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Learn the subject of pictures; the last line printed is the tail's id, for `tailor edit`."""
    pictures, said = pictures_and_prompts(words, prompts or [])
    with _client(url, key_file) as client:
        job = client.personalize(pictures, said, model=model, recipe=recipe, steps=steps, seed=seed)
        job = _ended(client, job, "personalize") if wait else job
        for warning in job.warnings:
            errors.print(f"warning: {warning}", style="yellow")
        typer.echo(job.model_dump_json() if as_json else job.tail_id)


@app.command()
def edit(
    tail: Annotated[str, typer.Argument(help="A tail's id, as `tailor personalize` prints it.")],
    prompt: Annotated[str, typer.Argument(help='What you want to see, for example "a sitting dog".')],
    *,
    num_images: Annotated[int, typer.Option("-n", "--num-images", min=1)] = 1,
    out: Annotated[
        Path, typer.Option("-o", "--out", file_okay=False, help="The folder for PNGs and receipt.")
    ] = Path(),
    negative_prompt: Annotated[str | None, typer.Option()] = None,
    tail_scale: Annotated[float | None, typer.Option(help="How strongly the subject is kept.")] = None,
    strength: Annotated[float | None, typer.Option(help="Start from the tail's picture; 0.3 keeps its layout.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How strongly the prompt is followed.")] = None,
    num_inference_steps: Annotated[int | None, typer.Option("--steps", min=1)] = None,
    seed: Seed = None,
    wait: Wait = True,
    as_json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Make pictures of a learned subject; prints the files, or the job's id with --no-wait."""
    options = {"num_images": num_images, "negative_prompt": negative_prompt, "tail_scale": tail_scale, "seed": seed}
    options |= {"guidance_scale": guidance_scale, "strength": strength, "num_inference_steps": num_inference_steps}
    with _client(url, key_file) as client:
        folder = writable(out) if wait else out
        job = client.edit(tail, prompt, **options)
        files = save_results(client, job := _ended(client, job, "edit"), folder) if wait else []
        lines = [job.model_dump_json()] if as_json else [str(file) for file in files] or [job.id]
        typer.echo("\n".join(lines))


@app.command()
def status(
    job_id: Annotated[str | None, typer.Argument(metavar="[JOB]")] = None,
    as_json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Show a job, or what the server reports of itself."""
    with _client(url, key_file) as client:
        if job_id:
            job = client.job(job_id)
            typer.echo(job.model_dump_json() if as_json else _line(job))
            return
        report = {"url": client.url, **client.readiness()}
    typer.echo(json.dumps(report) if as_json else "\n".join(f"{name}: {value}" for name, value in report.items()))


@app.command()
def fetch(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A job's id, as --no-wait and --json print it.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", file_okay=False, help="The folder for the files.")] = Path(),
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Save what a job has made, waiting for its end: an edit's pictures, or a tail; prints the files."""
    with _client(url, key_file) as client:
        folder = writable(out)
        job = client.job(job_id)
        job = job if job.status == JobStatus.SUCCEEDED else _ended(client, job, job.kind)
        typer.echo("\n".join(str(file) for file in save_results(client, job, folder)))


@app.command("import")
def import_tail(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A tail's safetensors file.")
    ],
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Take a tail's file to the server, as `tailor fetch` saves it; prints the tail's id, for `tailor edit`."""
    with _client(url, key_file) as client:
        typer.echo(client.import_tail(file))


@app.command()
def cancel(job_id: Annotated[str, typer.Argument(metavar="JOB")], url: Url = None, key_file: KeyFile = None) -> None:
    """Cancel a job."""
    with _client(url, key_file) as client:
        typer.echo(_line(client.cancel(job_id)))


@app.command()
def models(as_json: Json = False, url: Url = None, key_file: KeyFile = None) -> None:
    """List the models that the server's workers have loaded."""
    with _client(url, key_file) as client:
        found = client.models()
    typer.echo(json.dumps(found) if as_json else "\n".join(f"{m['name']}  {m.get('description', '')}" for m in found))


def server_url(given: str | None) -> str:
    """Return the server to talk to: the one given, else the one of `tailor up` in ./data, else the default."""
    server = None if given else read_server_file(DEFAULT_DATA)
    return given or (str(server["url"]) if server else DEFAULT_URL)


@contextmanager
def _client(url: str | None, key_file: Path | None) -> Iterator[TailorClient]:
    # Ended by Ctrl-C or a closed pipe, it says nothing but what the exit code says.
    try:
        with TailorClient(server_url(url), key=key_file.read_text(errors="replace") if key_file else None) as client:
            yield client
    except UnreachableError as error:
        _fail(str(error), 3)
    except (ClientError, FolderError) as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _ended(client: TailorClient, job: Job, name: str) -> Job:
    try:
        errors.print(f"{job.id} is {state_of(job)}", style="dim")
        (job,) = JobProgress(errors).follow(client, {job.id: name})
    except KeyboardInterrupt:
        look, stop = f"tailor status {job.id}", f"tailor cancel {job.id}"
        _fail(f"not waiting any longer; the job goes on: look with `{look}`, end it with `{stop}`", 128 + signal.SIGINT)
    if job.status != JobStatus.SUCCEEDED:
        _fail(job.failure, 1)
    return job


def _line(job: Job) -> str:
    of = f" {job.step}/{job.steps}" if job.steps else ""
    why = f": {job.error.get('detail')}" if job.error else ""
    return f"{job.id} {job.kind} {state_of(job)}{of} {job.tail_id} {job.prompt!r}{why}"


def _fail(message: str, code: int) -> NoReturn:
    errors.print(f"tailor: {message}", markup=False)
    raise typer.Exit(code)
