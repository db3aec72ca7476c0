from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.clock import utc_now
from core.errors import GoneError, StorageUnavailableError
from core.jobs import keys
from core.jobs.attempts import Attempt, AttemptHistory, read_attempts
from core.jobs.claims import Claims
from core.jobs.keeping.deletion import Deletion
from core.jobs.records import JobSpec, JobStatus
from core.live.names import ALONE, again, line_key, record_key, told_key
from core.models.parameters import PersonalizeParams
from tests.support.flaky_storage import FlakyStorage
from tests.support.job_life import LONG_LEASE_S, MODEL_HASH, Life

AGAIN = again("personalize")


def take(life: Life, worker_id: str = "w1", line: str = "personalize") -> Attempt:
    attempt = life.claims(worker_id).take(line)
    assert attempt is not None
    return attempt


def crash(life: Life, attempt: Attempt) -> None:
    """Do what is done when a worker's process died: its attempt is known to have crashed, and the job queued again."""
    life.storage.create(keys.crashed(attempt.spec.id, attempt.number), b"")
    life.reconciler.reap(attempt.spec, token=attempt.token)


def test_many_workers_get_every_job_exactly_once(life: Life) -> None:
    specs = [life.accept(life.personalization()) for _ in range(12)]
    workers = [life.process().claims(f"w{i}") for i in range(6)]

    with ThreadPoolExecutor(6) as pool:
        taken = list(
            pool.map(lambda worker: [attempt for _ in range(4) if (attempt := worker.take("personalize"))], workers)
        )

    ids = [attempt.spec.id for claims in taken for attempt in claims]
    assert sorted(ids) == sorted(spec.id for spec in specs)


def test_the_oldest_job_of_an_owner_comes_first_and_owners_take_turns(life: Life) -> None:
    alice = [life.accept(life.personalization(owner="alice")) for _ in range(3)]
    bob = [life.accept(life.personalization(owner="bob")) for _ in range(2)]

    order = [take(life).spec.id for _ in range(5)]

    assert order == [spec.id for spec in (alice[0], bob[0], alice[1], bob[1], alice[2])]


def test_a_job_that_a_worker_cannot_do_keeps_its_place_for_one_that_can(life: Life) -> None:
    wanting = life.accept(life.personalization(personalize=PersonalizeParams(beginning="prior")))
    plain = life.accept(life.personalization())

    def can(spec: JobSpec) -> bool:
        return spec.personalize is None or spec.personalize.beginning != "prior"

    without = life.claims("without a prior", can)
    taken = without.take("personalize")

    assert taken is not None
    assert taken.spec.id == plain.id
    assert without.take("personalize") is None
    assert life.status(wanting) is JobStatus.QUEUED
    attempt = take(life)
    assert (attempt.spec.id, attempt.number) == (wanting.id, 1)


def test_a_kind_of_job_is_never_given_to_the_other_kinds_slots(life: Life) -> None:
    life.accept(life.personalization())

    assert life.claims().take("edit") is None
    assert life.live.lines.length("personalize") == 1


def test_a_job_that_was_handed_back_goes_on_and_costs_no_attempt(life: Life) -> None:
    spec = life.accept(life.personalization())
    for number in range(1, 6):
        attempt = take(life)
        assert attempt.number == number
        assert not attempt.alone
        life.claims().hand_back(attempt)
        assert life.status(spec) is JobStatus.QUEUED


def test_after_one_crash_a_job_is_kept_apart_and_after_two_it_runs_alone(life: Life) -> None:
    spec = life.accept(life.personalization())
    crash(life, take(life))

    assert life.claims().take("personalize") is None
    second = take(life, line=AGAIN)
    crash(life, second)
    assert life.claims().take(AGAIN) is None
    third = take(life, line=ALONE)

    assert (second.spec, second.number, second.crashes, second.alone) == (spec, 2, 1, False)
    assert (third.spec, third.number, third.crashes, third.alone) == (spec, 3, 2, True)


def test_attempts_that_were_lost_with_their_machine_count_half(life: Life) -> None:
    life.accept(life.personalization())
    for line in ("personalize", AGAIN, AGAIN, ALONE, ALONE):
        attempt = take(life, line=line)
        life.lose_lease(attempt.spec)
        life.reconciler.reap(attempt.spec)

    last = take(life, line=ALONE)

    assert (last.number, last.crashes) == (6, 3)


def test_a_worker_takes_only_jobs_of_models_that_it_serves(life: Life) -> None:
    mine, other = life.accept(life.personalization()), life.accept(life.personalization(model_hash="0ther"))

    assert take(life).spec == mine
    assert life.claims().take("personalize") is None
    assert life.live.lines.lengths() == {("personalize", "0ther"): 1}
    assert life.store.state(other.id).waiting_for == "a worker that serves model critters with the weights 0ther"


@pytest.mark.parametrize(("priors", "waits"), [({MODEL_HASH: 5}, False), ({MODEL_HASH: 0}, True), (None, False)])
def test_a_job_says_that_it_waits_for_a_worker_with_the_tail_prior(
    life: Life, priors: dict[str, int] | None, waits: bool
) -> None:
    """None: a worker of a version that does not tell. Jobs that need no prior wait for nothing in any case."""
    told = {"models": {"critters": MODEL_HASH}} | ({} if priors is None else {"priors": priors})
    life.live.workers.beat("w1", told, LONG_LEASE_S)
    plain = life.accept(life.personalization())
    wanting = life.accept(life.personalization(personalize=PersonalizeParams(beginning="prior", positions=5)))
    said = "a worker that serves model critters with the weights c0ffee and a tail prior of 5 positions"

    assert life.store.state(plain.id).waiting_for is None
    assert life.store.state(wanting.id).waiting_for == (said if waits else None)


def test_a_job_that_killed_two_workers_alone_after_two_in_company_fails_with_the_reason(life: Life) -> None:
    spec = life.accept(life.personalization())
    for line in ("personalize", AGAIN, ALONE, ALONE):
        crash(life, take(life, line=line))

    assert life.claims().take(ALONE) is None
    state = life.store.state(spec.id)
    assert state.status is JobStatus.FAILED
    assert state.end is not None
    assert state.end.error is not None
    assert "4 attempts" in state.end.error.detail


def test_crashes_beside_others_fail_nobody_even_if_they_are_told_late(life: Life) -> None:
    """Three workers died with it and were slow to come back: its leases ran out first, and it was never alone."""
    life.accept(life.personalization())
    lost = []
    for line in ("personalize", AGAIN, AGAIN):
        lost.append(take(life, line=line))
        life.lose_lease(lost[-1].spec)
        life.reconciler.reap(lost[-1].spec)
    for attempt in lost:
        life.claims().note_crash(attempt)

    assert life.claims().take(AGAIN) is None  # the line in which its crashes were not yet known
    last = take(life, line=ALONE)

    assert (last.number, last.crashes, last.alone) == (4, 3, True)


def test_attempts_of_a_version_that_did_not_note_company_count_as_alone_from_the_third(life: Life) -> None:
    spec = life.accept(life.personalization())
    for number, line in enumerate(("personalize", AGAIN, ALONE, ALONE), 1):
        crash(life, take(life, line=line))
        life.storage.put(keys.attempt(spec.id, number), b'{"schema_version":1,"worker":"old"}', "application/json")

    assert life.claims().take(ALONE) is None
    assert life.status(spec) is JobStatus.FAILED


def test_a_job_that_is_deleted_while_its_crashes_are_counted_is_gone_without_an_error(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = life.accept(life.personalization())
    for line in ("personalize", AGAIN, ALONE, ALONE):
        crash(life, take(life, line=line))
    claims = life.claims()
    really = claims._is_at_fault

    def deleted_meanwhile(spec: JobSpec, history: AttemptHistory) -> bool:
        Deletion(life.store).job(spec.id)
        return really(spec, history)

    monkeypatch.setattr(claims, "_is_at_fault", deleted_meanwhile)

    assert claims.take(ALONE) is None
    with pytest.raises(GoneError):
        life.store.spec(spec.id)


@pytest.mark.parametrize(("most", "lines"), [(1, ("personalize",)), (2, ("personalize", AGAIN, ALONE))])
def test_whoever_allows_fewer_crashes_has_fewer(life: Life, most: int, lines: tuple[str, ...]) -> None:
    spec = life.accept(life.personalization())
    for line in lines:
        crash(life, take(life, line=line))

    last = Claims(life.store, "w9", life.claims().serves, max_attempts=most).take(ALONE if most > 1 else AGAIN)

    assert last is None
    assert life.status(spec) is JobStatus.FAILED


def test_a_job_past_its_deadline_is_ended_instead_of_begun(life: Life) -> None:
    spec = life.accept(life.personalization(deadline_at=utc_now() - timedelta(seconds=1)))

    assert life.claims().take("personalize") is None

    end = life.store.end(spec.id)
    assert end is not None
    assert end.error is not None
    assert end.error.type == "deadline-exceeded"


def test_a_lease_is_renewed_by_its_holder_and_lost_to_a_newer_attempt(life: Life) -> None:
    life.accept(life.personalization())
    first = take(life)
    assert life.claims().renew(first)

    crash(life, first)
    second = take(life, "w2", AGAIN)

    assert not life.claims().renew(first)
    assert life.claims("w2").renew(second)


def test_a_worker_whose_attempt_is_the_newest_takes_its_expired_lease_again(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = take(life)
    life.lose_lease(spec)

    assert life.claims().renew(attempt)
    assert not life.live.leases.reap(spec, AGAIN)


def test_a_worker_keeps_its_lease_when_redis_has_lost_its_memory(life: Life) -> None:
    life.accept(life.personalization())
    attempt = take(life)
    life.live.client.flushall()

    assert life.claims().renew(attempt)


def test_the_progress_of_an_older_attempt_is_dropped(life: Life) -> None:
    spec = life.accept(life.personalization())
    crash(life, take(life))
    second = take(life, "w2", AGAIN)
    life.live.records.progress(spec.id, second.number, {"step": 7, "steps": 10})

    life.live.records.progress(spec.id, 1, {"step": 3, "steps": 10})

    state = life.store.state(spec.id)
    assert (state.live.attempt, state.live.step) == (2, 7)


def test_the_next_attempt_gets_the_furthest_checkpoint(life: Life) -> None:
    life.accept(life.personalization())
    first, claims = take(life), life.claims()
    claims.checkpoints.save(first, 10, b"ten")
    claims.checkpoints.save(first, 20, b"twenty")
    crash(life, first)

    second = take(life, line=AGAIN)

    assert claims.checkpoints.load(second) == b"twenty"
    kept = [info.key for info in life.storage.list(f"jobs/{second.spec.id}/out/")]
    assert kept == [first.key("checkpoint-00000020.safetensors")]


def test_an_attempt_that_had_to_begin_again_counts_more_than_one_that_was_further(life: Life) -> None:
    life.accept(life.personalization())
    first, claims = take(life), life.claims()
    claims.checkpoints.save(first, 400, b"of another version")
    crash(life, first)
    second = take(life, line=AGAIN)
    claims.checkpoints.save(second, 10, b"ten")
    crash(life, second)

    assert claims.checkpoints.load(take(life, line=ALONE)) == b"ten"


def test_a_job_that_is_handed_back_while_redis_is_away_is_found_in_storage(life: Life) -> None:
    spec = life.accept(life.personalization())
    attempt = take(life)
    blind = Life(life.folder, f"unix://{life.folder}/nobody-listens.sock")

    blind.claims().hand_back(attempt)
    life.live.client.flushall()
    life.reconciler.run_once()

    assert life.status(spec) is JobStatus.QUEUED
    assert take(life).number == 2


def test_a_claim_whose_answer_was_lost_costs_no_attempt(life: Life) -> None:
    spec = life.accept(life.personalization())
    lost = FlakyStorage(
        life.storage, fails=lambda call, key: call == "create" and "attempts/0001.json" in key, after=True
    )

    with pytest.raises(StorageUnavailableError):
        life.with_storage(lost).claims().take("personalize")

    assert read_attempts(life.storage, spec.id).unfinished == 0
    attempt = take(life)
    assert (attempt.number, attempt.alone) == (2, False)


def test_a_claim_that_took_longer_than_its_lease_is_given_back_and_costs_no_attempt(life: Life) -> None:
    spec = life.accept(life.personalization())

    def loses_the_lease(_: str, key: str) -> bool:
        if key.endswith("attempts/0001.json"):
            life.lose_lease(spec)
        return False

    attempt = life.with_storage(FlakyStorage(life.storage, fails=loses_the_lease)).claims().take("personalize")

    assert attempt is not None
    assert (attempt.number, attempt.crashes, attempt.alone) == (2, 0, False)
    assert read_attempts(life.storage, spec.id).handed_back == (1,)


def test_a_job_that_redis_forgot_to_be_running_stays_with_its_worker(life: Life) -> None:
    spec = life.accept(life.personalization())
    forgets = (record_key(spec.id), line_key("personalize", MODEL_HASH))
    for key in forgets:
        life.live.client.copy(key, f"{key} before")
    attempt = take(life)
    for key in forgets:
        life.live.client.copy(f"{key} before", key, replace=True)
    life.live.leases.release(spec.id, attempt.token)
    life.reconciler.run_once()
    assert life.live.lines.length("personalize") == 1

    assert life.claims().renew(attempt)

    assert life.live.lines.length("personalize") == 0
    assert life.status(spec) is JobStatus.RUNNING


def test_a_worker_that_was_taken_for_dead_takes_its_job_back_if_nobody_has_begun_it(life: Life) -> None:
    life.accept(life.personalization())
    attempt = take(life)
    crash(life, attempt)

    assert life.claims().renew(attempt)

    assert life.claims("w2").take(AGAIN) is None


def test_a_late_renewal_does_not_take_back_what_was_handed_back(life: Life) -> None:
    life.accept(life.personalization())
    attempt = take(life)
    life.claims().hand_back(attempt)

    assert not life.claims().renew(attempt)
    assert life.live.lines.length("personalize") == 1


def test_a_checkpoint_that_is_replaced_while_it_is_looked_for_is_found_in_its_new_place(life: Life) -> None:
    life.accept(life.personalization())
    attempt, claims = take(life), life.claims()
    claims.checkpoints.save(attempt, 10, b"ten")

    def replaces(call: str, key: str) -> bool:
        if call == "get" and "00000010" in key:
            claims.checkpoints.save(attempt, 20, b"twenty")
        return False

    racing = life.with_storage(FlakyStorage(life.storage, fails=replaces)).claims()

    assert racing.checkpoints.load(attempt) == b"twenty"


def test_a_job_written_by_a_newer_version_is_left_in_its_line_for_a_newer_worker(life: Life) -> None:
    unreadable = life.accept(life.personalization())
    key = f"jobs/{unreadable.id}/job.json"
    written = life.storage.get(key).replace(b'"recipe"', b'"cookbook"')
    life.storage.put(key, written)
    life.live.client.set(told_key(unreadable.id), written)
    good = life.accept(life.personalization())

    attempt = life.process().claims().take("personalize")

    assert attempt is not None
    assert attempt.spec == good
    life.process().reconciler.run_once()
    assert life.live.lines.length("personalize") == 1
