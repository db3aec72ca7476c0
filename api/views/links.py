"""The URLs in answers: signed, absolute, and expiring together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request

from api.access.hosts import base_url
from core.clock import utc_now
from core.services import Services
from core.storage.signing import sign_path


@dataclass(frozen=True)
class Links:
    """Makes the URLs in answers: signed, absolute, and expiring together."""

    services: Services
    base_url: str
    expires_at: datetime

    @classmethod
    def of(cls, request: Request, services: Services) -> Links:
        """Return links as the client of this request reaches the API."""
        expires_at = utc_now() + timedelta(seconds=services.settings.url_ttl_s)
        return cls(services, base_url(services.settings, request.scope), expires_at)

    def to(self, key: str, filename: str, content_type: str) -> str:
        """Return a URL that serves an object until `expires_at`."""
        ttl = self.services.settings.url_ttl_s
        url = self.services.storage.url(key, expires_s=ttl, filename=filename, content_type=content_type)
        return self.base_url + url if url.startswith("/") else url

    def to_events(self, job_id: str) -> str:
        """Return a URL of a job's events that needs no header: a browser's EventSource sends none."""
        ttl = self.services.settings.url_ttl_s
        return self.base_url + sign_path(self.services.secret, f"/jobs/{job_id}/events", expires_s=ttl)
