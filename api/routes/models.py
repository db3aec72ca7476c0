"""The models that are served."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.callers import may
from api.openapi.problems import may_answer
from api.state import Use
from api.views.models import TokenCount
from core.errors import InvalidInputError, ModelNotReadyError
from core.limits import named_limit
from core.models.info import ModelInfo
from core.models.recipes import of_steps_at_most

router = APIRouter(tags=["models"])


@router.get("/models", dependencies=[Depends(may("read"))])
def read_models(services: Use) -> list[ModelInfo]:
    """Return the models that can be used now, the default one first, with their recipes.

    A recipe takes no more steps than `TAILOR_MAX_STEPS`.
    """
    most = services.settings.max_steps
    return [
        info.model_copy(update={"recipes": {name: of_steps_at_most(one, most) for name, one in info.recipes.items()}})
        for info in services.registry.models()
    ]


@router.get("/models/{name}/tokens", dependencies=[Depends(may("read"))], responses=may_answer(ModelNotReadyError))
def count_tokens(
    name: str, services: Use, text: Annotated[str, Query(description="a prompt, as long as one may be")]
) -> TokenCount:
    """Count a prompt's tokens as the model does, so that one knows before one sends it whether it fits."""
    most = named_limit(services.settings, "max_prompt_chars")
    if len(text) > most["limit"]:
        raise InvalidInputError("text", f"text has {len(text)} characters, over the limit of {most['limit']}", **most)
    info = services.registry.get(name)
    return TokenCount(model=info.name, tokens=services.registry.count_tokens(info, text))
