"""What schemathesis can't know of Tailor: real pictures and tails, and rules that bind two fields or a model together.

Loaded by schemathesis (SCHEMATHESIS_HOOKS). Only valid values are changed, into other valid ones; invalid ones are sent
as they were made up. URLs lead to a server on this machine in any case: nobody else is asked for anything.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextlib import suppress
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

from core.jobs.lists.entries import is_stem
from tests.api.serving import picture
from tests.api.test_imports import FILE

RECEIVER = os.environ["CONTRACT_RECEIVER"]
PICTURES = [picture("teal"), picture("red", format_="JPEG"), picture("green", format_="WEBP")]
DATA_URI = f"data:image/png;base64,{base64.b64encode(PICTURES[0]).decode()}"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
URL = re.compile(r"https?://", re.IGNORECASE)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Make what is valid by itself valid together with the rest."""
    case.body = _elsewhere(case.body)
    for name in case.headers or ():
        if name.lower() == "prefer" and "wait" in str(case.headers[name]):  # not half a minute each time
            case.headers[name] = "wait=1" if len(repr(case.body)) % 8 == 0 else "wait=0"
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict):
        _mend(case.body, case.operation.definition.raw["operationId"], is_form=case.media_type == "multipart/form-data")
    if "name" in (case.path_parameters or {}):
        case.path_parameters["name"] = "critters"
    if case.query:
        _mend_query(case.query)
    if case.headers and "Idempotency-Key" in case.headers:  # the same one again goes with the same request only
        case.headers["Idempotency-Key"] = hashlib.sha256(repr((case.path, case.body)).encode()).hexdigest()


def _elsewhere(value: Any) -> Any:
    """Return a value whose URLs lead to this machine."""
    if isinstance(value, dict):
        return {name: _elsewhere(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_elsewhere(one) for one in value]
    return RECEIVER if isinstance(value, str) and URL.match(value) else value


def _mend_query(query: dict[str, Any]) -> None:
    """Take a cursor away that no list has given, and what can't be shown out of labels."""
    cursor = query.get("cursor")
    if isinstance(cursor, str) and not _is_cursor(cursor):
        del query["cursor"]
    if isinstance(labels := query.get("label"), list):
        query["label"] = [_shown(text, "name:Rex") for text in labels]


def _is_cursor(text: str) -> bool:
    with suppress(ValueError):
        return is_stem(base64.b64decode(text, altchars=b"-_").decode())
    return False


def _mend(body: dict[str, Any], operation: str, *, is_form: bool) -> None:
    if operation == "import_tail":
        body["file"] = FILE if is_form else base64.b64encode(FILE).decode()
    if is_form and "picture" in body:
        several = isinstance(body["picture"], list)
        body["picture"] = [PICTURES[i % 3] for i in range(len(body["picture"]))] if several else PICTURES[0]
    for name, value in body.items():
        body[name] = _mended(name, value)
    _model_of(body)
    if operation == "personalize":
        _mend_personalize(body)
    if operation == "edit":
        _mend_edit(body)


def _model_of(body: dict[str, Any]) -> None:
    if isinstance(body.get("model"), str):
        body["model"] = "critters"
    if isinstance(body.get("recipe"), str):
        body["recipe"] = "fast"


def _mended(name: str, value: Any) -> Any:
    if name in ("prompt", "negative_prompt"):
        return [_short(one) for one in value] if isinstance(value, list) else _short(value)
    if name == "picture":
        return [_pictured(one) for one in value] if isinstance(value, list) else _pictured(value)
    if name == "labels" and isinstance(value, dict):  # those that are sent join those that the tail has: eight at most
        return {f"label{n}": None if text is None else _shown(text, "x") for n, text in enumerate(value.values())}
    if name in ("width", "height") and isinstance(
        value, int | float
    ):  # each model takes others; 64.0 is an integer, too
        return 64
    return value


def _shown(text: Any, otherwise: str) -> str:
    shown = "".join(filter(str.isprintable, str(text)))[:90]
    return otherwise if not shown or shown.endswith(":") else shown


def _short(text: Any) -> Any:
    """Return a prompt that has few tokens: how many fit, the model decides."""
    return text if not isinstance(text, str) or not text.strip() else (text.strip()[:3].strip() or "dog")


def _pictured(value: Any) -> Any:
    return DATA_URI if isinstance(value, str) and value.startswith("data:") else value


def _mend_personalize(body: dict[str, Any]) -> None:
    pictures = next((body[name] for name in ("picture", "picture_url") if body.get(name)), None)
    count = len(pictures) if isinstance(pictures, list) else 1
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) not in (1, count):
        body["prompt"] = prompt[:1]
    if (body.get("positions") or 1) > 20:  # the model has 32 tokens, and the prompt wants some
        body["positions"] = 5
    if body.get("beginning") == "prior":  # the model has none
        body["beginning"] = "prompt"
    if "timestep_low" in body or "timestep_high" in body:
        low, high = sorted((body.get("timestep_low") or 0, body.get("timestep_high") or 999))
        body |= {"timestep_low": low, "timestep_high": high}
    for edit in body.get("edits") or ():
        for name, value in edit.items():
            edit[name] = _mended(name, value)
        _model_of(edit)
        _mend_strength(edit)
    _mend_webhook(body)


def _mend_edit(body: dict[str, Any]) -> None:
    if body.get("picture") is not None and body.get("picture_url") is not None:
        del body["picture_url"]
    if body.get("tail_id"):
        body.pop("tails", None)
    elif not body.get("tails"):
        body["tail_id"] = "tail_0123456789abcdef01234567"
    tails = body.get("tails")
    if isinstance(tails, list):
        body["tails"] = list({use["id"]: use for use in tails}.values())
        body["tail_mode"] = "residual"
    sweep = body.get("sweep")
    if isinstance(sweep, dict):
        body.pop("num_images", None)
        for name, values in sweep.items():
            sweep[name] = _mended(name, values)[:2] if isinstance(values, list) else values
        if not any(sweep.values()):
            sweep["seed"] = [1]
        if isinstance(tails, list):
            sweep.pop("tail_scale", None)
            sweep.setdefault("seed", [1])
    if body.get("strength") is not None and not body.get("picture") and not body.get("picture_url"):
        body["picture_url"] = RECEIVER  # the tail may have come as a file, without its picture
    _mend_strength(body)
    _mend_webhook(body)


def _mend_strength(edit: dict[str, Any]) -> None:
    if edit.get("strength") is not None:
        edit["strength"] = max(
            edit["strength"], 1 / (edit.get("num_inference_steps") or 9)
        )  # as the tail of a file says


def _mend_webhook(body: dict[str, Any]) -> None:
    if "webhook_events" in body and "webhook" not in body:
        body["webhook"] = RECEIVER
