"""What the words behind `tailor personalize` are: pictures, and a prompt for all or one for each."""

from __future__ import annotations

from pathlib import Path

import typer

from tailor_client.pictures import is_url


def pictures_and_prompts(words: list[str], prompts: list[str]) -> tuple[list[Path | str], list[str]]:
    """Return what `tailor personalize` is given: without --prompt the last word is the prompt."""
    if not prompts:
        *words, last = words
        prompts = [last]
        if is_url(last) or Path(last).is_file():
            raise typer.BadParameter(f"the last word must be the prompt, what the pictures show; {last!r} is a picture")
    for word in words:
        if not is_url(word) and not Path(word).is_file():
            raise typer.BadParameter(f"there is no picture {word!r}")
    if not words or len(prompts) not in (1, len(words)):
        raise typer.BadParameter(
            f"{len(prompts)} prompts are given for {len(words)} pictures; give one for all, or one for each"
        )
    return [word if is_url(word) else Path(word) for word in words], prompts
