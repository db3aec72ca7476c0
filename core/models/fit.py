"""How well a tail explains its pictures, and what to say of it."""

from __future__ import annotations

from pydantic import Field

from core.record import Record

LITTLE = 0.03  # of the prompt's loss: of 24 drawings of the embedded model's world every tail took away more
NO_BETTER = 1.05  # times the loss without any text: prompts of that world are below 1, wrong ones above 2


class Fit(Record):
    """The noise-prediction loss on a fixed batch of a personalization's own pictures; less is better explained."""

    loss: float = Field(ge=0, description="with the tail behind the prompt")
    loss_prompt: float = Field(ge=0, description="with the prompt alone")
    loss_empty: float = Field(ge=0, description="without any text")

    @property
    def explained(self) -> float:
        """The share of the loss without any text that prompt and tail take away together; below 0 they do harm."""
        return 1 - self.loss / self.loss_empty if self.loss_empty else 0.0

    @property
    def warnings(self) -> list[str]:
        """What a person should know before using the tail; nothing if all is well."""
        found = []
        if self.loss_prompt > NO_BETTER * self.loss_empty:
            found.append(
                "The prompt explains the picture worse than no text does: it says something else than the picture "
                "shows, or the model cannot draw such pictures. Check the prompt; edits may not look like the picture."
            )
        if self.loss > (1 - LITTLE) * self.loss_prompt:
            found.append(
                "The tail explains hardly more than the prompt alone: edits will look like the prompt's words, not "
                "like this very subject. More steps or another picture may help."
            )
        return found
