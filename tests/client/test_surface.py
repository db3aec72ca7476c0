from __future__ import annotations

import inspect

from core.config import REPOSITORY
from tailor_client import AsyncTailor, Tailor


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert methods(Tailor) == methods(AsyncTailor)


def test_the_client_knows_every_operation() -> None:
    """Each but the probe of whether the process is alive, which containers ask without a client."""
    document = (REPOSITORY / "docs" / "openapi.json").read_text()
    operations = {
        line.split('"')[3] for line in document.splitlines() if '"operationId":' in line and line.endswith(",")
    }
    names = {
        "read_job": "job", "cancel_job": "cancel", "list_jobs": "jobs", "job_events": "events", "list_tails": "tails",
        "read_tail": "tail", "label_tail": "label", "read_tail_file": "tail_file", "read_models": "models",
        "read_deliveries": "deliveries", "read_webhook_secrets": "webhook_secrets", "readyz": "readiness",
        "read_limits": "limits",
    }  # fmt: skip
    missing = {name for name in operations - {"healthz"} if not hasattr(Tailor, names.get(name, name))}
    assert missing == set()
