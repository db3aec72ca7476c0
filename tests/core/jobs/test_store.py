from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.clock import utc_now
from core.errors import GoneError, NotFoundError, StorageUnavailableError
from core.jobs import keys
from core.jobs.ids import new_job_id, tail_of
from core.jobs.lists.entries import accepted_keys
from core.jobs.records import JobEnd, JobSpec, JobStatus, SourcePicture
from tests.support.flaky_storage import FlakyStorage
from tests.support.job_life import Life


def test_an_accepted_job_is_durable_before_redis_hears_of_it(life: Life) -> None:
    spec = life.accept(life.personalization(), announce=False)

    other = life.process()

    assert other.store.spec(spec.id) == spec
    assert life.open_jobs() == {spec.id}
    assert other.status(spec) is JobStatus.QUEUED


def test_the_same_id_accepted_twice_keeps_the_first_request(life: Life) -> None:
    first = life.personalization(prompt="a standing dog")
    second = life.personalization(id=first.id, prompt="a standing cat")

    assert life.store.accept(first) == (first, True)
    assert life.store.accept(second) == (first, False)


def test_of_two_requests_under_one_id_only_the_stored_jobs_own_pictures_stay(life: Life) -> None:
    spec = life.personalization()
    a, b, shared = (f"jobs/{spec.id}/input-{name}.png" for name in ("a", "b", "shared"))
    more = (SourcePicture(key=shared, prompt="a sitting dog"),)
    first = spec.model_copy(update={"picture_key": a, "more_pictures": more})
    second = spec.model_copy(update={"picture_key": b, "more_pictures": more})

    life.store.accept(first, {a: b"a", shared: b"shared"})
    life.store.accept(second, {b: b"b", shared: b"shared"})

    assert [life.storage.get(key) for key in (a, shared)] == [b"a", b"shared"]
    assert life.storage.head(b) is None


def with_pictures(life: Life) -> tuple[JobSpec, dict[str, bytes]]:
    spec = life.personalization()
    first, second = (keys.picture(spec.id, digit * 64) for digit in "01")
    more = (SourcePicture(key=second, prompt="a sitting dog"),)
    spec = spec.model_copy(update={"picture_key": first, "more_pictures": more})
    return spec, {first: b"a picture", second: b"another"}


def all_of(spec: JobSpec) -> list[str]:
    """Return what lies in storage of an open job."""
    pictures = [picture.key for picture in spec.pictures]
    return sorted([keys.open_marker(spec.id, spec.created_at), *accepted_keys(spec), *pictures, keys.spec(spec.id)])


def everything(life: Life) -> list[str]:
    return [info.key for info in life.storage.list("")]


@pytest.mark.parametrize("after", [False, True], ids=["not-written", "answer-lost"])
@pytest.mark.parametrize("refused", ["open/", "lists/", "input-", "job.json"])
def test_a_request_that_storage_refuses_leaves_nothing_behind(life: Life, refused: str, after: bool) -> None:
    def fails(call: str, key: str) -> bool:
        return call in ("put", "create") and refused in key

    flaky = life.with_storage(FlakyStorage(life.storage, fails=fails, after=after))
    with pytest.raises(StorageUnavailableError):
        flaky.store.accept(*with_pictures(life), shared_id=False)

    assert everything(life) == []


def test_when_the_marker_of_a_refused_request_stays_the_job_stays_with_it(life: Life) -> None:
    """A job without its marker would be queued for ever, should Redis forget it."""
    spec, pictures = with_pictures(life)
    lost = FlakyStorage(life.storage, fails=lambda call, _: call == "create", after=True)
    away = FlakyStorage(lost, fails=lambda call, _: call == "delete")
    with pytest.raises(StorageUnavailableError, match="lost"):
        life.with_storage(away).store.accept(spec, pictures, shared_id=False)

    assert everything(life) == all_of(spec)


def test_a_refused_request_takes_nothing_from_another_one_with_its_id(life: Life) -> None:
    """Two tries with one Idempotency-Key: the second is accepted while the first waits for storage in vain."""
    spec, pictures = with_pictures(life)

    def fails(call: str, key: str) -> bool:
        if call == "create":
            assert life.store.accept(spec, pictures, shared_id=True) == (spec, True)
        return call == "create"

    with pytest.raises(StorageUnavailableError):
        life.with_storage(FlakyStorage(life.storage, fails=fails)).store.accept(spec, pictures, shared_id=True)

    assert everything(life) == all_of(spec)


def test_replaying_an_ended_job_leaves_no_open_marker(life: Life) -> None:
    spec = life.accept(life.personalization())
    life.store.cancel(spec.id)

    life.store.accept(spec)

    assert life.open_jobs() == set()


def test_an_unknown_job_is_not_found(life: Life) -> None:
    with pytest.raises(NotFoundError, match="there is no job"):
        life.store.state(new_job_id())


def test_an_edit_waits_for_its_tail_and_is_queued_with_it(life: Life) -> None:
    source = life.accept(life.personalization())
    edit = life.accept(life.edit(source))
    assert life.status(edit) is JobStatus.WAITING

    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(attempt.spec, life.success(attempt))

    assert life.status(edit) is JobStatus.QUEUED
    assert life.live.lines.length("edit") == 1


def test_an_edit_of_a_failed_tail_fails_with_its_reason(life: Life) -> None:
    source = life.accept(life.personalization())
    edit = life.accept(life.edit(source))

    life.store.fail(source, "internal", "Internal error", "the picture bit the worker")

    state = life.store.state(edit.id)
    assert state.status is JobStatus.FAILED
    assert state.end is not None
    assert state.end.error is not None
    assert "the picture bit the worker" in state.end.error.detail


def test_an_edit_accepted_after_its_tail_is_made_is_queued_at_once(life: Life) -> None:
    source = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(source, life.success(attempt))

    assert life.status(life.accept(life.edit(source))) is JobStatus.QUEUED


def test_of_many_competing_ends_exactly_one_wins_and_all_readers_agree(life: Life) -> None:
    spec = life.accept(life.personalization())
    stores = [life.process().store for _ in range(6)]
    ends = [JobEnd(job_id=spec.id, status=s, ended_at=utc_now()) for s in [JobStatus.FAILED, JobStatus.CANCELED] * 3]

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(lambda pair: pair[0].finish(spec, pair[1]), zip(stores, ends, strict=True)))

    winner = ends[won.index(True)]
    assert won.count(True) == 1
    assert {store.state(spec.id).status for store in stores} == {winner.status}
    assert life.open_jobs() == set()


def test_canceling_is_idempotent_and_changes_no_end(life: Life) -> None:
    spec = life.accept(life.personalization())

    first = life.store.cancel(spec.id)
    second = life.store.cancel(spec.id)

    assert first.status is JobStatus.CANCELED
    assert second.end == first.end
    assert life.live.lines.length("personalize") == 0


def test_a_canceled_job_is_given_to_no_worker(life: Life) -> None:
    spec = life.accept(life.personalization())
    life.store.cancel(spec.id)

    assert life.claims().take("personalize") is None


def test_the_end_keeps_what_it_names_and_sweeps_everything_else(life: Life) -> None:
    spec = life.accept(life.personalization())
    claims = life.claims()
    attempt = claims.take("personalize")
    assert attempt is not None
    claims.checkpoints.save(attempt, 10, b"state")

    life.store.finish(spec, life.success(attempt))

    assert [info.key for info in life.storage.list(f"jobs/{spec.id}/out/")] == [attempt.key("tail.safetensors")]


def test_what_a_superseded_attempt_wrote_is_swept(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.cancel(spec.id)

    assert life.store.finish(spec, life.success(attempt)) is False

    assert life.status(spec) is JobStatus.CANCELED
    assert list(life.storage.list(f"jobs/{spec.id}/out/")) == []


def test_a_deleted_tail_leaves_no_byte_but_its_tombstone(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.finish(spec, life.success(attempt))

    life.store.deletion.tail(tail_of(spec.id))
    life.store.deletion.tail(tail_of(spec.id))

    assert [info.key for info in life.storage.list(f"jobs/{spec.id}/")] == [f"jobs/{spec.id}/end.json"]
    assert b"a standing dog" not in life.storage.get(f"jobs/{spec.id}/end.json")
    with pytest.raises(GoneError):
        life.store.state(spec.id)
    with pytest.raises(GoneError):
        life.store.accept(spec)


def test_a_process_that_knew_a_tail_hears_of_its_deletion(life: Life) -> None:
    spec = life.accept(life.personalization())
    other = life.process()
    other.store.tail_end(spec.tail_id)

    life.store.deletion.tail(spec.tail_id)

    with pytest.raises(GoneError):
        other.store.tail_end(spec.tail_id)


def test_a_zombie_cannot_bring_a_deleted_tail_back(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = life.claims().take("personalize")
    assert attempt is not None
    life.store.deletion.tail(spec.tail_id)

    life.store.finish(spec, life.success(attempt))

    assert [info.key for info in life.storage.list(f"jobs/{spec.id}/")] == [f"jobs/{spec.id}/end.json"]
    with pytest.raises(GoneError):
        life.store.state(spec.id)


def test_an_end_that_redis_never_heard_of_is_what_readers_see(life: Life) -> None:
    spec = life.accept(life.personalization())
    blind = Life(life.folder, f"unix://{life.folder}/nobody-listens.sock")

    blind.store.cancel(spec.id)

    live = life.live.records.read(spec)
    assert live is not None
    assert live.status is JobStatus.QUEUED
    assert life.status(spec) is JobStatus.CANCELED


def test_a_cancellation_that_was_cut_off_is_completed_by_the_next_one(life: Life) -> None:
    spec = life.accept(life.personalization())
    Life(life.folder, f"unix://{life.folder}/nobody-listens.sock").store.cancel(spec.id)

    assert life.store.cancel(spec.id).status is JobStatus.CANCELED

    assert life.live.lines.length("personalize") == 0
    assert life.open_jobs() == set()


def test_announcing_never_fails_whatever_is_away(life: Life) -> None:
    source = life.accept(life.personalization())
    edit = life.accept(life.edit(source), announce=False)
    flaky = life.with_storage(FlakyStorage(life.storage, fails=lambda call, _: call == "get"))

    flaky.store.announce(edit)
    life.reconciler.run_once()

    assert life.status(edit) is JobStatus.WAITING


def test_edits_that_wait_for_their_tail_count_as_queued(life: Life) -> None:
    source = life.accept(life.personalization())
    for _ in range(3):
        life.accept(life.edit(source))
    assert life.store.queued("edit") == 3

    life.store.cancel(source.id)

    assert life.store.queued("edit") == 0


def test_a_checkpoint_that_lands_after_the_deletion_is_swept_by_its_own_attempt(life: Life) -> None:
    spec = life.accept(life.personalization())
    claims = life.claims()
    attempt = claims.take("personalize")
    assert attempt is not None
    life.store.deletion.tail(spec.tail_id)
    claims.checkpoints.save(attempt, 10, b"state")
    tombstone = life.store.end(spec.id)
    assert tombstone is not None

    life.store.close(spec, tombstone)

    assert list(life.storage.list(f"jobs/{spec.id}/out/")) == []


def test_without_redis_a_job_is_accepted_read_canceled_and_stays_open_for_the_reconciler(tmp_path: Path) -> None:
    life = Life(tmp_path / "storage", f"unix://{tmp_path}/nobody-listens.sock")

    spec = life.accept(life.personalization())
    assert life.status(spec) is JobStatus.QUEUED
    assert life.store.cancel(spec.id).status is JobStatus.CANCELED

    assert life.open_jobs() == {spec.id}
