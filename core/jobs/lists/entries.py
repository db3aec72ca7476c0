"""The entries of lists: objects without content whose keys say all, so that a list is read by listing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from urllib.parse import quote

from core.jobs.records import JobEnd, JobKind, JobSpec, JobStatus

LISTS = "lists/"
HOURS_END, MS_END = 10**6, 10**13  # times are counted down from here: what is newer comes first in the order of keys
AFTER_ALL_FACTS = ".~"
_IN, _OUT = "in", "out"  # no label's mark begins so
_SIZE = re.compile(rf"(?:{_IN}|{_OUT})(\d{{1,18}})")
_STEM = re.compile(r"\d{6}/\d{13}-[0-9a-f]{24}")


def of_kind(owner: str, kind: JobKind) -> str:
    """Return the prefix of the list of an owner's jobs of a kind."""
    return f"{LISTS}{_segment(owner)}/{kind}/"


def of_tail(owner: str, tail_id: str) -> str:
    """Return the prefix of the list of an owner's edits with a tail."""
    return f"{LISTS}{_segment(owner)}/{tail_id}/"


def lists_of(spec: JobSpec) -> list[str]:
    """Return the prefixes of all lists in which a job stands."""
    tails = [of_tail(spec.owner, tail_id) for tail_id in dict.fromkeys(spec.tail_ids)] if spec.kind == "edit" else []
    return [of_kind(spec.owner, spec.kind), *tails]


def stem(spec: JobSpec) -> str:
    """Return a job's place in its lists: `{hours}/{milliseconds}-{job}`, the same in all of them."""
    created_ms = int(spec.created_at.timestamp() * 1000)
    hours = created_ms // 3_600_000
    return f"{HOURS_END - hours:06}/{MS_END - created_ms:013}-{spec.id.removeprefix('job_')}"


def places(spec: JobSpec) -> list[str]:
    """Return the prefixes of a job's entries, one in each of its lists."""
    return [f"{prefix}{stem(spec)}." for prefix in lists_of(spec)]


def is_stem(text: str) -> bool:
    """Tell whether the text has the form of a place in a list."""
    return _STEM.fullmatch(text) is not None


def accepted_keys(spec: JobSpec) -> list[str]:
    """Return the keys that say that a job was accepted, with which labels and with how many bytes."""
    marks = "".join(f"-{label_mark(name, value)}" for name, value in sorted(spec.labels.items()))
    size = f"-{_IN}{spec.input_bytes}" if spec.input_bytes else ""
    return [f"{prefix}{stem(spec)}.accepted{marks}{size}" for prefix in lists_of(spec)]


def ended_key(spec: JobSpec, end: JobEnd) -> str:
    """Return the key that says how a job ended, and how many bytes came of it; only the list of its kind has one."""
    size = f"-{_OUT}{end.output_bytes}" if end.output_bytes else ""
    return f"{of_kind(spec.owner, spec.kind)}{stem(spec)}.ended-{end.status}{size}"


def relabeled_keys(spec: JobSpec) -> list[str]:
    """Return the keys that say that a tail has other labels than its job was accepted with."""
    return [f"{prefix}{stem(spec)}.relabeled" for prefix in lists_of(spec)]


def label_mark(name: str, value: str) -> str:
    """Return the few characters by which an entry without a label can be passed over unread."""
    return hashlib.sha256(f"{name}\0{value}".encode()).hexdigest()[:6]


@dataclass(frozen=True)
class Entry:
    """A job's entry in one list: its place, and what the keys there say of it."""

    prefix: str
    stem: str
    facts: tuple[str, ...]

    @property
    def job_id(self) -> str:
        """The job that it is for."""
        return "job_" + self.stem[-24:]

    @property
    def created_at(self) -> datetime:
        """When the job was accepted, to the millisecond."""
        return datetime.fromtimestamp((MS_END - int(self.stem[7:20])) / 1000, UTC)

    @property
    def keys(self) -> list[str]:
        """The keys of the entry's objects."""
        return [f"{self.prefix}{self.stem}.{fact}" for fact in self.facts]

    @property
    def status(self) -> JobStatus | None:
        """How the job ended, or None while its end was not noted; a tail's list does not have it."""
        return next((JobStatus(fact.split("-")[1]) for fact in self.facts if fact.startswith("ended-")), None)

    @property
    def bytes(self) -> int:
        """How many bytes came with the job and came of it; 0 for those of versions that did not say it."""
        parts = (part for fact in self.facts for part in fact.split("-"))
        return sum(int(size[1]) for part in parts if (size := _SIZE.fullmatch(part)))

    @property
    def is_relabeled(self) -> bool:
        """Whether its tail has other labels than its job was accepted with."""
        return "relabeled" in self.facts

    def may_have(self, labels: Iterable[tuple[str, str]]) -> bool:
        """Tell whether it is worth while to look if the job has these labels."""
        marks = next((fact.split("-")[1:] for fact in self.facts if fact.startswith("accepted")), None)
        if marks is None or self.is_relabeled:
            return True
        return all(label_mark(*label) in marks for label in labels)


def grouped(prefix: str, keys: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries that keys of one list, in their order, make; what is no entry's is passed over."""
    parts = (key.removeprefix(prefix).partition(".") for key in keys)
    for place, facts in groupby(parts, key=lambda part: part[0]):
        if is_stem(place):
            yield Entry(prefix, place, tuple(fact for _, _, fact in facts))


def _segment(owner: str) -> str:
    """Return an owner as part of a key."""
    return quote(owner, safe="").replace(".", "%2E")
