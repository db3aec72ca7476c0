"""Between any two durable steps of a job a process is killed or stands still, once: the job ends as if it had not.

What runs here is what an API and a worker do, in this order: marker, input, job.json, announcement, claim, checkpoints,
result, end.json, and what follows the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from core.jobs import doubts, keys
from core.jobs.attempts import Attempt
from core.jobs.claims import Claims
from core.jobs.ids import new_job_id
from core.jobs.keeping.deletion import Deleted
from core.jobs.lists.entries import of_kind
from core.jobs.records import JobEnd, JobSpec, JobStatus
from core.live.names import LINES
from tests.support.interrupted_storage import Point, die_at, stopped_at
from tests.support.job_life import Life

PUT_RIGHT_S = 6.0  # the lease lasts 0.3 s: a job without one begins again after two of them
PICTURE = b"a picture"
ACCEPTED = Point("create", "/job.json", after=True)

WHERE_THE_API_DIES = [
    Point("put", "open/"),
    Point("put", "open/", after=True),
    Point("put", "lists/"),
    Point("put", "lists/", after=True),
    Point("put", "/input-", after=True),
    Point("create", "/job.json"),
]
WHERE_AN_ACCEPTED_JOB_IS_DROPPED = [
    ACCEPTED,
    Point("create", "/attempts/0001.json"),
    Point("create", "/attempts/0001.json", after=True),
    Point("put", "/checkpoint-00000005"),
    Point("put", "/checkpoint-00000005", after=True),
    Point("put", "/checkpoint-00000010", after=True),
    Point("delete", "/checkpoint-00000005", after=True),
    Point("put", "/tail.safetensors"),
    Point("put", "/tail.safetensors", after=True),
    Point("create", "/end.json"),
    Point("create", "/end.json", after=True),
    Point("delete", "/checkpoint-00000010"),
    Point("delete", "/checkpoint-00000010", after=True),
    Point("put", ".ended-"),
    Point("put", ".ended-", after=True),
    Point("delete", "open/"),
    Point("delete", "open/", after=True),
]
WHERE_A_WORKER_STANDS_STILL = [
    Point("create", "/attempts/0001.json"),
    Point("create", "/attempts/0001.json", after=True),
    Point("put", "/checkpoint-00000005"),
    Point("put", "/checkpoint-00000010", after=True),
    Point("put", "/tail.safetensors"),
    Point("put", "/tail.safetensors", after=True),
    Point("create", "/end.json"),
    Point("create", "/end.json", after=True),
    Point("put", ".ended-"),
    Point("delete", "open/"),
]


def new_personalization(life: Life) -> JobSpec:
    job_id = new_job_id()
    return life.personalization(id=job_id, picture_key=keys.picture(job_id, "5ad0" * 16))


def submit(life: Life, spec: JobSpec) -> None:
    """Do what the API does."""
    life.store.accept(spec, {picture.key: PICTURE for picture in spec.pictures})
    life.store.announce(spec)


def take(life: Life, worker_id: str = "w1") -> Attempt | None:
    """Claim whatever is next in any line."""
    claims = life.claims(worker_id)
    return next((attempt for line in LINES if (attempt := claims.take(line))), None)


def work(life: Life, attempt: Attempt) -> None:
    """Do what a worker does with an attempt: two checkpoints of a personalization, a result, an end."""
    claims = life.claims()
    if attempt.spec.kind == "personalize":
        claims.checkpoints.save(attempt, 5, b"half of it")
        claims.checkpoints.save(attempt, 10, b"all of it")
    life.store.finish(attempt.spec, life.success(attempt))


def take_and_work(life: Life) -> None:
    if attempt := take(life):
        work(life, attempt)


@dataclass
class Mender:
    """Another process: its reconciler, and a worker that does what there is to do."""

    life: Life

    def put_right(self, *specs: JobSpec) -> None:
        """Go on until all is as it should be, for some seconds at most, and then hold it against what should be."""
        process, firsts = self.life.process(), dict[str, JobEnd]()
        until = time.monotonic() + PUT_RIGHT_S
        while not all(self._is_over(spec) for spec in specs) and time.monotonic() < until:
            process.reconciler.run_once()
            take_and_work(process)
            firsts |= {spec.id: end for spec in specs if spec.id not in firsts and (end := process.store.end(spec.id))}
        for spec in specs:
            end = process.store.end(spec.id)
            assert end is not None
            assert end == firsts.get(spec.id, end)
            assert self._kept(spec) == self._wanted(spec, end)
            assert self._listed(spec) == ([] if end.deleted else [end.status])
            assert end.deleted or self.life.status(spec) is end.status
        assert self.life.open_jobs() == set()
        assert [self.life.live.lines.length(line) for line in LINES] == [0] * len(LINES)
        assert self.life.live.open_jobs.count() == 0

    def _is_over(self, spec: JobSpec) -> bool:
        end = self.life.store.end(spec.id)
        is_open = spec.id in self.life.open_jobs()
        return end is not None and not is_open and self._kept(spec) == self._wanted(spec, end)

    def _kept(self, spec: JobSpec) -> set[str]:
        """What lies under a job, but for the claims of its attempts, which stay as long as it is not deleted."""
        found = {info.key for info in self.life.storage.list(keys.job(spec.id))}
        end = self.life.store.end(spec.id)
        return found if end and end.deleted else {key for key in found if "/attempts/" not in key}

    def _listed(self, spec: JobSpec) -> list[JobStatus | None]:
        found = self.life.store.lists.read([of_kind(spec.owner, spec.kind)])
        return [entry.status for entry in found if entry.job_id == spec.id]

    @staticmethod
    def _wanted(spec: JobSpec, end: JobEnd) -> set[str]:
        if end.deleted:
            return {keys.end(spec.id)}
        named = {keys.spec(spec.id), keys.end(spec.id), spec.picture_key, end.tail_key}
        return {key for key in named if key}


@pytest.fixture
def mender(life: Life) -> Mender:
    return Mender(life)


# Killed


@pytest.mark.parametrize("point", WHERE_THE_API_DIES, ids=str)
def test_a_request_that_died_before_it_was_a_job_can_be_sent_again(life: Life, mender: Mender, point: Point) -> None:
    spec = new_personalization(life)
    die_at(life, point, lambda own: submit(own, spec))
    assert life.storage.head(keys.spec(spec.id)) is None

    submit(life.process(), spec)

    mender.put_right(spec)
    assert life.status(spec) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("point", WHERE_AN_ACCEPTED_JOB_IS_DROPPED, ids=str)
def test_an_accepted_job_ends_well_wherever_its_process_dies(life: Life, mender: Mender, point: Point) -> None:
    spec = new_personalization(life)

    def all_of_it(own: Life) -> None:
        submit(own, spec)
        take_and_work(own)

    die_at(life, point, all_of_it)

    mender.put_right(spec)
    assert life.status(spec) is JobStatus.SUCCEEDED


def test_a_job_whose_process_dies_at_two_points_ends_well(life: Life, mender: Mender) -> None:
    spec = new_personalization(life)
    submit(life, spec)
    die_at(life, Point("create", "/attempts/0001.json"), take_and_work)
    until = time.monotonic() + PUT_RIGHT_S
    while not life.live.lines.lengths() and time.monotonic() < until:
        life.reconciler.run_once()
    life.reconciler.stop()
    die_at(life, Point("create", "/end.json"), take_and_work)

    mender.put_right(spec)

    assert life.status(spec) is JobStatus.SUCCEEDED


# Standing still: another worker takes over, and then the first one goes on


@pytest.mark.parametrize("point", WHERE_A_WORKER_STANDS_STILL, ids=str)
def test_a_worker_that_stood_still_and_goes_on_does_no_harm(life: Life, mender: Mender, point: Point) -> None:
    spec = new_personalization(life)
    submit(life, spec)

    with stopped_at(life, point, take_and_work):
        mender_before = life.process()
        until = time.monotonic() + PUT_RIGHT_S
        while mender_before.store.end(spec.id) is None and time.monotonic() < until:
            mender_before.reconciler.run_once()
            take_and_work(mender_before)
        first = life.store.end(spec.id)
        assert first is not None

    assert life.store.end(spec.id) == first
    mender.put_right(spec)


# Cancellation against success


def test_a_success_that_comes_just_after_a_cancellation_leaves_nothing(life: Life, mender: Mender) -> None:
    spec = new_personalization(life)
    submit(life, spec)

    with stopped_at(life, Point("create", "/end.json"), take_and_work):
        life.store.cancel(spec.id)

    mender.put_right(spec)
    assert life.status(spec) is JobStatus.CANCELED


def test_a_cancellation_that_comes_just_after_a_success_changes_nothing(life: Life, mender: Mender) -> None:
    spec = new_personalization(life)
    submit(life, spec)

    with stopped_at(life, Point("create", "/end.json"), lambda own: own.store.cancel(spec.id)):
        take_and_work(life.process())

    mender.put_right(spec)
    assert life.status(spec) is JobStatus.SUCCEEDED


CANCELING = [Point("create", "/end.json"), Point("create", "/end.json", after=True), Point("delete", "open/")]


@pytest.mark.parametrize("point", CANCELING, ids=str)
def test_a_cancellation_whose_process_dies_is_whole_or_was_none(life: Life, mender: Mender, point: Point) -> None:
    spec = new_personalization(life)
    submit(life, spec)

    die_at(life, point, lambda own: own.store.cancel(spec.id))

    mender.put_right(spec)
    expected = JobStatus.CANCELED if point != CANCELING[0] else JobStatus.SUCCEEDED
    assert life.status(spec) is expected


# Deletion against writing


@pytest.mark.parametrize(
    "point",
    [
        Point("put", "/checkpoint-00000005"),
        Point("put", "/tail.safetensors"),
        Point("create", "/end.json"),
        Point("put", ".ended-"),
    ],
    ids=str,
)
def test_what_a_worker_writes_after_a_deletion_is_swept_by_it(life: Life, mender: Mender, point: Point) -> None:
    spec = new_personalization(life)
    submit(life, spec)

    with stopped_at(life, point, take_and_work):
        life.store.deletion.tail(spec.tail_id)

    mender.put_right(spec)


def test_a_checkpoint_written_after_a_deletion_by_a_worker_that_then_dies_is_swept(
    life: Life, mender: Mender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "AFTER_S", 0)
    spec = new_personalization(life)
    submit(life, spec)
    attempt = take(life)
    assert attempt is not None
    life.store.deletion.tail(spec.tail_id)

    die_at(life, Point("put", "/checkpoint-00000005", after=True), lambda own: work(own, attempt))

    mender.put_right(spec)


@pytest.mark.parametrize("note", [Claims.note_crash, Claims.note_company])
def test_what_is_noted_of_an_attempt_after_its_jobs_deletion_does_not_stay(
    life: Life, mender: Mender, note: Callable[[Claims, Attempt], None]
) -> None:
    spec = new_personalization(life)
    submit(life, spec)
    attempt = take(life)
    assert attempt is not None
    life.store.deletion.tail(spec.tail_id)

    note(life.claims(), attempt)

    mender.put_right(spec)


def test_a_job_that_is_handed_back_after_its_deletion_leaves_no_marker(life: Life, mender: Mender) -> None:
    spec = new_personalization(life)
    submit(life, spec)
    attempt = take(life)
    assert attempt is not None
    life.store.deletion.tail(spec.tail_id)

    life.claims().hand_back(attempt)

    mender.put_right(spec)


@pytest.mark.parametrize("point", [Point("put", "/end.json"), Point("put", "/end.json", after=True)], ids=str)
def test_a_deletion_whose_process_dies_can_be_sent_again(life: Life, mender: Mender, point: Point) -> None:
    spec = new_personalization(life)
    submit(life, spec)
    take_and_work(life)

    die_at(life, point, lambda own: own.store.deletion.tail(spec.tail_id))
    life.process().store.deletion.tail(spec.tail_id)

    assert {info.key for info in life.storage.list(keys.job(spec.id))} == {keys.end(spec.id)}
    mender.put_right()


def test_two_deletions_at_once_tell_the_same_figures(life: Life) -> None:
    """The second one had found no tombstone, counted what the first one had left, and wrote that over the first's."""
    spec = new_personalization(life)
    submit(life, spec)
    take_and_work(life)
    told: list[Deleted] = []

    with stopped_at(life, Point("list", keys.job(spec.id)), lambda own: told.append(own.store.deletion.job(spec.id))):
        told.append(life.process().store.deletion.job(spec.id))

    told.append(life.process().store.deletion.job(spec.id))
    assert told == [told[0]] * 3
    assert told[0].bytes > len(PICTURE)


# An edit that registers as its tail ends


def wait_for_tail_to_end(life: Life) -> tuple[JobSpec, JobSpec, Attempt]:
    """Return a personalization that runs, an edit of its tail that nobody has heard of, and the attempt."""
    source = new_personalization(life)
    submit(life, source)
    attempt = take(life)
    assert attempt is not None
    return source, life.edit(source), attempt


@pytest.mark.parametrize("after", [False, True], ids=["before it looks", "after it looked"])
def test_an_edit_that_looks_for_its_tail_just_as_that_ends_runs_once(life: Life, mender: Mender, after: bool) -> None:
    source, edit, attempt = wait_for_tail_to_end(life)
    look = Point("get", keys.end(source.id), after=after)

    with stopped_at(life, look, lambda own: submit(own, edit)):
        work(life.process(), attempt)

    mender.put_right(source, edit)
    assert life.status(edit) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("point", [Point("create", "/end.json", after=True), Point("delete", "open/")], ids=str)
def test_an_edit_that_comes_while_its_tail_is_being_closed_runs_once(life: Life, mender: Mender, point: Point) -> None:
    source, edit, attempt = wait_for_tail_to_end(life)

    with stopped_at(life, point, lambda own: work(own, attempt)):
        submit(life.process(), edit)

    mender.put_right(source, edit)
    assert life.status(edit) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("has_looked", [False, True], ids=["before it looks", "after it looked"])
def test_an_edit_whose_api_dies_just_as_its_tail_ends_runs_once(life: Life, mender: Mender, has_looked: bool) -> None:
    source, edit, attempt = wait_for_tail_to_end(life)

    die_at(
        life, Point("get", keys.end(source.id), after=True) if has_looked else ACCEPTED, lambda own: submit(own, edit)
    )
    work(life, attempt)

    mender.put_right(source, edit)
    assert life.status(edit) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("after", [False, True], ids=["before it looks", "after it looked"])
def test_an_edit_that_looks_for_its_tail_just_as_that_is_deleted_fails(life: Life, mender: Mender, after: bool) -> None:
    source, edit, _ = wait_for_tail_to_end(life)
    look = Point("get", keys.end(source.id), after=after)

    with stopped_at(life, look, lambda own: submit(own, edit)):
        life.process().store.deletion.tail(source.tail_id)

    mender.put_right(source, edit)
    assert life.status(edit) is JobStatus.FAILED
