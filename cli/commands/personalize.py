"""`tailor personalize`: learn the subject of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.asking import asking, ended, errors, fail
from cli.commands.options import Json, KeyFile, Label, Seed, Ttl, Url, Wait, Webhook, labels_of, seconds_of
from cli.commands.words import pictures_and_prompts
from cli.results import save_results, writable
from tailor_client import Job, JobFailedError, NewEdit, Tailor


def personalize(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE... PROMPT",
            help="One or more pictures of the subject (JPEG, PNG or WebP; files or URLs), "
            'and what they show, as "a standing dog".',
        ),
    ],
    *,
    prompts: Annotated[
        list[str] | None,
        typer.Option("--prompt", help="In place of PROMPT: once for all pictures, or as often as there are pictures."),
    ] = None,
    edits: Annotated[
        list[str] | None,
        typer.Option("--edit", metavar="PROMPT", help="Make a picture of this at once, in the same call. Repeatable."),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", file_okay=False, help="The folder for the pictures of --edit.")
    ] = Path(),
    model: Annotated[str | None, typer.Option(help="One of `tailor models`.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Named settings, for example fast or paper.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    seed: Seed = None,
    label: Label = None,
    ttl: Ttl = None,
    webhook: Webhook = None,
    wait: Wait = True,
    as_json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Learn the subject of pictures; the last line printed is the tail's id, for `tailor edit`."""
    pictures, said = pictures_and_prompts(words, prompts or [])
    named, ttl_s = labels_of(label), seconds_of(ttl)
    wanted: list[NewEdit] = [{"prompt": prompt} for prompt in edits or ()]
    with asking(url, key_file) as client:
        folder = writable(out) if wait and wanted else out
        job = client.personalize(
            pictures,
            said if len(said) > 1 else said[0],
            model=model,
            recipe=recipe,
            steps=steps,
            seed=seed,
            edits=wanted or None,
            labels=named or None,
            ttl=ttl_s,
            webhook=webhook,
        )
        failed: list[JobFailedError] = []
        if wait:
            job, failed = _all_ended(client, job, folder)
        for warning in job.warnings:
            errors.print(f"warning: {warning}", style="yellow")
        typer.echo(job.model_dump_json() if as_json else job.tail_id)
        if failed:
            fail("; ".join(map(str, failed)), 1)


def _all_ended(client: Tailor, job: Job, folder: Path) -> tuple[Job, list[JobFailedError]]:
    """Return the job once it and its edits have ended, and which of those failed; prints the files of the others."""
    learned = ended(client, job, "personalize")
    failed: list[JobFailedError] = []
    for edit in job.edits:
        try:
            done = ended(client, edit, f'edit "{edit.prompt}"')
        except JobFailedError as error:  # the tail is there, and so may be the other edits
            failed.append(error)
        else:
            typer.echo("\n".join(str(file) for file in save_results(client, done, folder)))
    return client.job(learned) if job.edits else learned, failed
