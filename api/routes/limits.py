"""The limits of the server, and what the caller has used of them."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from api.callers import Asking, may
from api.state import Use
from api.views.limits import LimitsView, limits_view

router = APIRouter(tags=["operations"])


@router.get("/limits", dependencies=[Depends(may(None))])
def read_limits(services: Use, caller: Asking) -> LimitsView:
    """Return every limit with the setting that it comes from, and what you have used of your quotas."""
    jobs = services.jobs
    models = services.registry.models()
    bounded = services.settings.max_bytes_per_owner is not None  # else nobody needs the sum, which takes a long listing
    stored = jobs.usage.of(caller.owner) if bounded else None
    return limits_view(services.settings, models, open_jobs=jobs.open_of(caller.owner), stored=stored)
