"""The request bodies of all operations that take one, with examples that can be sent as they are."""

from __future__ import annotations

from typing import Any

from api.intake.parsing import JSON, MULTIPART
from api.openapi.schemas import REF

TAIL = "tail_0123456789abcdef01234567"
STYLE = "tail_89abcdef0123456789abcdef"
BLACK = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQAAAACC"
    "EkxzAAAAD0lEQVR42mNgGAWjgHwAAAJAAAHgTR1EAAAAAElFTkSuQmCC"
)

_PERSONALIZE = {
    "one picture": {"prompt": "a standing dog", "picture": BLACK},
    "several pictures": {"prompt": ["a standing dog", "a dog's head"], "picture": [BLACK, BLACK], "recipe": "fast"},
    "edits in the same call": {
        "prompt": "a standing dog",
        "picture": BLACK,
        "edits": [{"prompt": "a sitting dog"}, {"prompt": "a dog in the snow", "num_images": 2}],
    },
    "found again and told of": {
        "prompt": "a standing dog",
        "picture": BLACK,
        "labels": {"name": "Rex"},
        "ttl": 86400,
        "webhook": {"url": "https://example.org/hooks", "events": ["job.succeeded", "job.failed"]},
    },
}
_EDIT = {
    "pictures": {"tail_id": TAIL, "prompt": "a sitting dog", "num_images": 4},
    "keeping the layout": {"tail_id": TAIL, "prompt": "a dog in the snow", "strength": 0.5},
    "two tails": {"tails": [{"id": TAIL}, {"id": STYLE, "scale": 0.6}], "prompt": "a sitting dog"},
    "a sweep": {"tail_id": TAIL, "prompt": "a sitting dog", "sweep": {"tail_scale": [0.6, 0.8, 1.0], "seed": [1, 2]}},
}
_LABELS = {"a new name, and one label less": {"labels": {"name": "Rex", "old": None}}}


def request_bodies() -> dict[str, dict[str, Any]]:
    """Return the bodies by operation."""
    return {
        "personalize": _body(
            {
                JSON: _content("PersonalizeRequest", _PERSONALIZE),
                MULTIPART: _content("PersonalizeForm") | {"encoding": {"picture": _PICTURES}},
            }
        ),
        "edit": _body(
            {
                JSON: _content("EditRequest", _EDIT),
                MULTIPART: _content("EditForm") | {"encoding": {"picture": _PICTURES}},
            }
        ),
        "import_tail": _body(
            {
                MULTIPART: _content("ImportForm") | {"encoding": {"file": {"contentType": "application/octet-stream"}}},
                JSON: _content("ImportRequest"),
            }
        ),
        "label_tail": _body({JSON: _content("LabelChanges", _LABELS)}),
    }


_PICTURES = {"contentType": "image/jpeg, image/png, image/webp"}


def _content(schema: str, examples: dict[str, Any] | None = None) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in (examples or {}).items()}
    return {"schema": {"$ref": REF + schema}, **({"examples": shown} if shown else {})}


def _body(content: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": content}
