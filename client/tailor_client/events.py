"""Server-sent events: what a job's stream tells, read from bytes as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tailor_client.answers import Job, JobStatus


@dataclass(frozen=True)
class Event:
    """One event of a job: `status`, `progress`, `preview`, or `snapshot`, when events before it were lost."""

    id: str
    type: str
    data: dict[str, Any]

    @property
    def job(self) -> Job | None:
        """The job as it is, in a snapshot."""
        return Job.model_validate(self.data) if self.type == "snapshot" else None

    @property
    def is_last(self) -> bool:
        """Whether it tells the job's end."""
        if self.type not in ("status", "snapshot"):
            return False
        return JobStatus(self.data["status"]).ended


@dataclass
class EventDecoder:
    """Makes events of bytes; `last_id` is where a broken stream goes on."""

    last_id: str | None = None
    is_over: bool = False
    """Whether nothing comes any more: the job has ended."""
    _rest: bytes = b""
    _fields: dict[str, list[str]] = field(default_factory=dict)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that are whole now."""
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line:
                self._take(line.decode())
            elif event := self._made():
                self.is_over = self.is_over or event.is_last
                yield event

    def broken_off(self) -> None:
        """Forget the event that was cut off."""
        self._rest, self._fields = b"", {}

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name:  # a line without is a comment: the server is still there
            self._fields.setdefault(name, []).append(value.removeprefix(" "))

    def _made(self) -> Event | None:
        fields, self._fields = self._fields, {}
        if "id" in fields:
            self.last_id = fields["id"][-1]
        if "data" not in fields:
            return None
        return Event(self.last_id or "", fields.get("event", ["message"])[-1], json.loads("\n".join(fields["data"])))
