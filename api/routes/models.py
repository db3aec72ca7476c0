"""The models that are served."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from api.callers import may
from api.state import Use
from core.models.info import ModelInfo

router = APIRouter(tags=["models"])


@router.get("/models", dependencies=[Depends(may("read"))])
def read_models(services: Use) -> list[ModelInfo]:
    """Return the models that can be used now, the default one first, with their recipes."""
    return services.registry.models()
