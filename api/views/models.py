"""What clients get to see of models beside what workers publish."""

from __future__ import annotations

from pydantic import BaseModel, Field


class TokenCount(BaseModel):
    """How many of a model's tokens a text takes."""

    model: str
    tokens: int = Field(description="with the two markers: a prompt may have sequence_length - positions of them")
