"""What was said of one job while it was under way, and how wrong that was when half of its time had passed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EARLIEST_S = 0.1
SHARE = 0.04  # of a job's age: so exactly the moment is met at which half of its time has passed


@dataclass(frozen=True)
class Said:
    """One answer: when it came, the status and the seconds until the end."""

    at: float
    status: str
    eta_s: float | None


@dataclass
class Observed:
    """One job, asked for again and again; times are this process' monotonic clock."""

    id: str
    owner: int
    what: str
    sent_at: float
    said: list[Said] = field(default_factory=list)
    ended_at: float | None = None
    status: str = ""

    def due(self, now: float) -> bool:
        """Tell whether it is time to ask again."""
        last = self.said[-1].at if self.said else self.sent_at
        return now - last >= max(EARLIEST_S, SHARE * (now - self.sent_at))

    def note(self, job: dict[str, Any], at: float) -> None:
        """Take in an answer."""
        self.status = job["status"]
        if job["ended_at"]:
            self.ended_at = at
        else:
            self.said.append(Said(at, self.status, job["eta_s"]))

    @property
    def half(self) -> Said | None:
        """The last that was said before half of its time had passed; None if nothing was."""
        if self.ended_at is None:
            return None
        half = (self.sent_at + self.ended_at) / 2
        return next((said for said in reversed(self.said) if said.at <= half), self.said[0] if self.said else None)

    @property
    def error(self) -> float | None:
        """By which share of what was left the estimate at half time was wrong; above 0 it was too long."""
        half = self.half
        if half is None or half.eta_s is None or self.ended_at is None:
            return None
        left = self.ended_at - half.at
        return (half.eta_s - left) / left
