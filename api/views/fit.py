"""What clients get to see of how well a personalization went."""

from __future__ import annotations

from pydantic import BaseModel, Field

from core.models.fit import Fit


class FitView(BaseModel):
    """The noise-prediction loss on a fixed batch of the job's own pictures, and what it means."""

    loss: float = Field(description="with the tail behind the prompt", examples=[0.0395])
    loss_prompt: float = Field(description="with the prompt alone", examples=[0.0484])
    loss_empty: float = Field(description="without any text", examples=[0.0691])
    explained: float = Field(
        description="the share of `loss_empty` that prompt and tail take away; below 0 they do harm", examples=[0.43]
    )


def fit_view(fit: Fit) -> FitView:
    """Return what a client sees of it."""
    return FitView(**fit.model_dump(), explained=round(fit.explained, 4))
