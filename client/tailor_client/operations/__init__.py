"""The operations of the interface, each as a call, by what they are about."""

from tailor_client.operations.common import Page, Query
from tailor_client.operations.files import download, tail_file
from tailor_client.operations.jobs import cancel, delete_job, events, id_of_job, job, jobs
from tailor_client.operations.server import count_tokens, limits, metrics, models, readiness
from tailor_client.operations.submissions import Scaled, edit, import_tail, personalize
from tailor_client.operations.tails import TailLike, delete_tail, id_of_tail, label, tail, tails
from tailor_client.operations.webhooks import deliver_again, deliveries, webhook_secrets

__all__ = [
    "Page",
    "Query",
    "Scaled",
    "TailLike",
    "cancel",
    "count_tokens",
    "delete_job",
    "delete_tail",
    "deliver_again",
    "deliveries",
    "download",
    "edit",
    "events",
    "id_of_job",
    "id_of_tail",
    "import_tail",
    "job",
    "jobs",
    "label",
    "limits",
    "metrics",
    "models",
    "personalize",
    "readiness",
    "tail",
    "tail_file",
    "tails",
    "webhook_secrets",
]
