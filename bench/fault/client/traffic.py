"""The jobs that run while things break: many clients, each with one picture at a time and edits of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from bench.fault.client.http import Apis, OutOfTimeError
from bench.fault.client.ledger import Entry, Ledger, Role
from bench.fault.client.proof import prove

PROMPTS = ("a sitting dog", "a jumping dog", "a dog on the beach", "an oil painting of a dog")


class Traffic:
    """Clients that go on until they are told that it is enough; each one waits for its jobs and proves them."""

    def __init__(self, apis: Apis, ledger: Ledger, *, seed: int, clients: int, steps: tuple[int, int]) -> None:
        self.apis, self.ledger = apis, ledger
        self._seed, self._steps = seed, steps
        self._enough = threading.Event()
        self._goes_on = threading.Event()
        self._goes_on.set()
        names = range(clients)
        self._threads = [
            threading.Thread(target=self._client, args=(n,), name=f"client-{n}", daemon=True) for n in names
        ]

    def start(self) -> None:
        """Let all clients begin."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Begin nothing new and wait for the end of all that was sent; bounded by the apis' own end."""
        self._enough.set()
        self._goes_on.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no client begin anything new during the block; what was sent before goes on to its end."""
        self._goes_on.clear()
        try:
            yield
        finally:
            self._goes_on.set()

    def personalization(self, draw: random.Random) -> Entry:
        """Enter a short personalization."""
        fields = {"prompt": "a standing dog", "steps": draw.randint(*self._steps), "seed": draw.randrange(2**31)}
        return self.ledger.new("/personalize", fields)

    def innocent(self, draw: random.Random) -> Entry:
        """Enter a personalization that is to run beside a killer: as long as any, so that it has not ended before."""
        fields = {"prompt": "a standing dog", "steps": self._steps[1], "seed": draw.randrange(2**31)}
        return self.ledger.new("/personalize", fields, "innocent")

    def edit(self, draw: random.Random, tail_id: str, role: Role = "usual", prompt: str = "") -> Entry:
        """Enter an edit of few steps."""
        fields = {"tail_id": tail_id, "prompt": prompt or draw.choice(PROMPTS), "seed": draw.randrange(2**31)}
        fields |= {"num_images": draw.randint(1, 2), "num_inference_steps": draw.randint(2, 4)}
        return self.ledger.new("/edit", fields, role)

    def send(self, entries: Sequence[Entry]) -> list[Entry]:
        """Send jobs; returns those that were accepted."""
        return [entry for entry in entries if self.apis.submit(entry)]

    def see_through(self, entries: Sequence[Entry]) -> None:
        """Wait for the ends of jobs, and prove the successful ones."""
        for entry in entries:
            job = self.apis.follow(entry)
            if job["status"] == "succeeded" and not entry.asked_to_end:
                entry.digests = prove(self.apis, entry, job)

    def see_through_meanwhile(self, entries: Sequence[Entry], most_s: float) -> None:
        """Begin to see jobs through, and wait for that for so many seconds at most."""
        thread = threading.Thread(target=self._see_through_at_last, args=(entries,), daemon=True)
        thread.start()
        self._threads.append(thread)
        thread.join(most_s)

    def _see_through_at_last(self, entries: Sequence[Entry]) -> None:
        with suppress(OutOfTimeError):
            self.see_through(entries)

    def _client(self, number: int) -> None:
        draw = random.Random(f"client {self._seed} {number}")
        try:
            while self._goes_on.wait() and not self._enough.is_set():
                self._story(draw)
        except OutOfTimeError:
            return  # what it waited for has not ended: the audit says so

    def _story(self, draw: random.Random) -> None:
        """Personalize, edit before and after the tail is ready; now and then cancel or delete instead."""
        source = self.personalization(draw)
        if not self.send([source]):
            return
        tail_id = "tail_" + source.id.removeprefix("job_")
        if (luck := draw.random()) < 0.1:
            self._end_early(source, tail_id, deletes=luck < 0.05, after_s=draw.uniform(0, 4))
            return
        early = self.send([self.edit(draw, tail_id) for _ in range(draw.randint(0, 2))])
        self.see_through([source, *early])
        if source.status == "succeeded":
            self.see_through(self.send([self.edit(draw, tail_id) for _ in range(draw.randint(1, 2))]))

    def _end_early(self, source: Entry, tail_id: str, *, deletes: bool, after_s: float) -> None:
        time.sleep(after_s)
        source.asked_to_end = True
        self.apis.ask("DELETE", f"/tails/{tail_id}" if deletes else f"/jobs/{source.id}")
        self.see_through([source])
