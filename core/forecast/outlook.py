"""What was found out of a fleet at a moment: when its jobs will end, those far back in line included."""

from __future__ import annotations

from dataclasses import dataclass

from core.forecast.course import Course, Line

LATELY = 16  # the newest so many starts and durations tell how a line goes on


@dataclass(frozen=True)
class Outlook:
    """A course that began at a moment of the fleet's time, in seconds since 1970."""

    at: float
    course: Course

    def ends_at(self, job_id: str) -> float | None:
        """Return when a job that was looked at ends, of the fleet's time."""
        seconds = self.course.ends.get(job_id)
        return None if seconds is None else self.at + seconds

    def ends_at_place(self, line: Line, place: int) -> float | None:
        """Return when the job ends that so many stand before in a line, farther back than was looked at."""
        starts, lasted = self.course.starts.get(line, []), self.course.lasted.get(line, [])
        if not starts or not lasted:
            return None
        lately, durations = starts[-LATELY:], lasted[-LATELY:]
        beyond = place - (len(starts) - 1)
        between = (lately[-1] - lately[0]) / (len(lately) - 1) if len(lately) > 1 else durations[-1]
        start = starts[-1] + between * beyond if beyond > 0 else starts[max(0, place)]
        return self.at + start + sum(durations) / len(durations)
