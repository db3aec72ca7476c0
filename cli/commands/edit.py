"""`tailor edit`: make pictures of a learned subject."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.asking import asking, ended
from cli.commands.options import Json, KeyFile, Label, Seed, Ttl, Url, Wait, Webhook, labels_of, seconds_of
from cli.results import save_results, writable
from tailor_client import EditOptions, Sweep
from tailor_client.options import TailMode
from tailor_client.pictures import is_url

AXES = ("prompt", "seed", "tail_scale", "guidance_scale")


def edit(
    tail: Annotated[
        str, typer.Argument(metavar="TAIL[:SCALE]", help="A tail's id, as `tailor personalize` prints it.")
    ],
    prompt: Annotated[
        str | None,
        typer.Argument(metavar="[PROMPT]", help='What you want to see, as "a sitting dog"; --sweep may have it.'),
    ] = None,
    *,
    more_tails: Annotated[
        list[str] | None,
        typer.Option("--tail", metavar="TAIL[:SCALE]", help="Another tail in the same pictures. Repeatable."),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A picture for each combination, and all as a grid: tail_scale=0.6,0.8,1.0, guidance_scale=…, "
            "seed=1,2,3; prompt=… has one value each time. Repeatable.",
        ),
    ] = None,
    num_images: Annotated[int | None, typer.Option("-n", "--num-images", min=1, help="How many.")] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", file_okay=False, help="The folder for PNGs and receipt.")
    ] = Path(),
    negative_prompt: Annotated[str | None, typer.Option(help="What you do not want to see.")] = None,
    tail_scale: Annotated[float | None, typer.Option(help="How strongly the subject is kept.")] = None,
    tail_mode: Annotated[
        TailMode | None, typer.Option(help="replace or residual; several tails need residual.")
    ] = None,
    strength: Annotated[float | None, typer.Option(help="Start from the tail's picture; 0.3 keeps its layout.")] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="With --strength: start from this picture instead.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Pixels; the model's own size otherwise.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels; the model's own size otherwise.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How strongly the prompt is followed.")] = None,
    num_inference_steps: Annotated[int | None, typer.Option("--steps", min=1, help="Of the sampler.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Named settings; default: those of the tail.")] = None,
    seed: Seed = None,
    label: Label = None,
    ttl: Ttl = None,
    webhook: Webhook = None,
    wait: Wait = True,
    as_json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Make pictures of a learned subject; prints the files, or the job's id with --no-wait."""
    options = EditOptions(
        num_images=num_images, negative_prompt=negative_prompt, tail_scale=tail_scale, tail_mode=tail_mode,
        strength=strength, guidance_scale=guidance_scale, num_inference_steps=num_inference_steps, recipe=recipe,
        width=width, height=height, seed=seed, labels=labels_of(label) or None, ttl=seconds_of(ttl), webhook=webhook,
        sweep=sweep_of(sweep or []),
    )  # fmt: skip
    tails = [tail_of(text) for text in (tail, *(more_tails or ()))]
    start = start_picture(picture)
    with asking(url, key_file) as client:
        folder = writable(out) if wait else out
        one = tails[0][0] if len(tails) == 1 and tails[0][1] is None else tails
        job = client.edit(one, prompt, picture=start, **options)
        files = save_results(client, job := ended(client, job, "edit"), folder) if wait else []
        lines = [job.model_dump_json()] if as_json else [str(file) for file in files] or [job.id]
        typer.echo("\n".join(lines))


def tail_of(text: str) -> tuple[str, float | None]:
    """Return a tail's id and its scale, from `ID` or `ID:SCALE`."""
    tail_id, colon, scale = text.partition(":")
    if not colon:
        return tail_id, None
    return tail_id, _number(float, scale, f"{text!r}: the scale of a tail")


def sweep_of(given: list[str]) -> Sweep | None:
    """Return a sweep from texts like `seed=1,2`; a name that comes again adds its values."""
    found: dict[str, list[Any]] = {}
    for text in given:
        name, equals, values = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in AXES:
            raise typer.BadParameter(f"--sweep takes NAME=VALUES with one of {', '.join(AXES)}, not {text!r}")
        found.setdefault(name, []).extend(_values(name, values))
    sweep: Sweep | None = Sweep(**found) if found else None  # type: ignore[typeddict-item]
    return sweep


def _values(name: str, text: str) -> list[Any]:
    if name == "prompt":
        return [text]
    kind = int if name == "seed" else float
    return [_number(kind, one, f"--sweep {name}: {one!r}") for one in re.split(r"\s*,\s*", text.strip())]


def _number(kind: type[int] | type[float], text: str, what: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"{what} is not a number") from None


def start_picture(given: str | None) -> str | Path | None:
    """Return the picture to start from: a file that is there, or a URL."""
    if given is None or is_url(given):
        return given
    if not Path(given).is_file():
        raise typer.BadParameter(f"there is no picture {given!r}")
    return Path(given)
