"""Where one goes on from an answer: OpenAPI's links from what it names to the operations that take it."""

from __future__ import annotations

from typing import Any

Links = dict[str, dict[str, Any]]


def _link(operation: str, description: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": parameters, "description": description}


def _of_job(job_id: str) -> Links:
    return {
        "job": _link("read_job", "how far it is, and its results", job_id=job_id),
        "events": _link("job_events", "its progress as it happens", job_id=job_id),
        "cancel": _link("cancel_job", "cancel it", job_id=job_id),
        "deliveries": _link("read_deliveries", "what its webhook was sent", job_id=job_id),
    }


def _of_tail(tail_id: str) -> Links:
    return {
        "tail": _link("read_tail", "the tail", tail_id=tail_id),
        "file": _link("read_tail_file", "its file, once it is ready", tail_id=tail_id),
        "label": _link("label_tail", "change its labels", tail_id=tail_id),
        "delete": _link("delete_tail", "delete it with all that it was learned from", tail_id=tail_id),
        "edit": {
            "operationId": "edit",
            "description": "make pictures with it",
            "requestBody": {"tail_id": tail_id, "prompt": "a sitting dog"},
        },
    }


def _next_page(operation: str) -> Links:
    return {"next": _link(operation, "the next page, until it is null", cursor="$response.body#/next_cursor")}


# By the name of the answer's schema
_LINKS: dict[str, Links] = {
    "JobView": _of_job("$response.body#/id") | _of_tail("$response.body#/tail_id"),
    "TailView": _of_tail("$response.body#/id") | {"job": _of_job("$response.body#/job_id")["job"]},
    "JobList": _next_page("list_jobs"),
    "TailList": _next_page("list_tails"),
}


def links_from(operation: str, schema: str) -> Links:
    """Return the links of an operation's answer: to all others that take what it names."""
    return {name: link for name, link in _LINKS.get(schema, {}).items() if _leads_on(operation, name, link)}


def _leads_on(operation: str, name: str, link: dict[str, Any]) -> bool:
    return link["operationId"] != operation or name == "next"
