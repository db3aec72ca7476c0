"""`tailor demo`: one picture in, edits of it out, through a real server that is started and ended for it."""

from __future__ import annotations

import io
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from cli.contact_sheet import Tile, contact_sheet
from cli.parts import demo_picture, require_worker
from cli.progress import JobProgress
from cli.up import Stack, UpError, UpOptions, locked
from tailor_client import Job, JobFailedError, Tailor
from tailor_client.answers import JobStatus

SOURCE_PROMPT = "a standing dog on the grass"  # what it says of the scene the tail need not learn
# Other poses, other places, styles, and all three at once.
EDITS = (
    "a sitting dog on the grass",
    "a running dog on the grass",
    "a dog lying down in a room",
    "a standing dog on the beach",
    "a sitting dog in the snow",
    "a running dog in the city",
    "a pencil sketch of a standing dog on the grass",
    "pixel art of a sitting dog on the beach",
    "a watercolor painting of a jumping dog in the snow",
)
SEED = 7
READY_TIMEOUT_S = 120
BEAT_S = 7  # a worker tells its figures every five seconds


@dataclass
class Demo:
    """One run: what it made, and how long each stage took."""

    picture: Path
    folder: Path
    out: Path
    console: Console
    times: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Run all stages and say what was seen. Raises UpError or tailor_client's errors."""
        with locked(self.folder, self._say) as lock, self._stage("all"):
            with self._stage("start Redis, a worker and the API"):
                stack = self._start(lock)
            with _stopped_after(stack), Tailor(stack.url) as client:
                with self._stage("load the model"):
                    self._wait_until_ready(stack)
                self._make(client)
        self._report()

    def _start(self, lock: int) -> Stack:
        for name in ("redis", "storage", "logs"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        stack = Stack(UpOptions(self.folder, port=0), lock, self._say, lambda _name, _line: None)
        try:
            stack.start()
        except BaseException:
            stack.stop()
            raise
        return stack

    def _wait_until_ready(self, stack: Stack) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        threading.Thread(target=stack.supervisor.run, daemon=True).start()
        if not stack.wait_until_ready(deadline):
            raise UpError(f"the server was not ready in {READY_TIMEOUT_S} s; its logs are in {self.folder / 'logs'}")

    def _make(self, client: Tailor) -> None:
        with self._stage("personalize"):
            learned = client.personalize(self.picture, SOURCE_PROMPT, seed=SEED)
            self._follow(client, {learned.id: f'personalize "{SOURCE_PROMPT}"'})
        with self._stage(f"{len(EDITS)} edits, sent at once"):
            sent = {client.edit(learned.tail_id, prompt, seed=SEED).id: prompt for prompt in EDITS}
            edits = self._follow(client, {job_id: f'edit "{prompt}"' for job_id, prompt in sent.items()})
        tiles = [Tile(Image.open(self.picture), f"the picture: {SOURCE_PROMPT}")]
        tiles += [Tile(_picture(client, job), prompt) for job, prompt in zip(edits, EDITS, strict=True)]
        contact_sheet(tiles).save(self.out)
        rows, calls = self._batches(client, 2 * sum(job.steps for job in edits))
        self._say(
            f"mean batch size of the edits: {rows / max(calls, 1):.2f} ({rows:.0f} rows in {calls:.0f} UNet calls)"
        )
        self._say("the same with curl:\n" + curl_commands(client.url, self.picture, learned, edits[0]))

    def _batches(self, client: Tailor, expected_rows: int) -> tuple[float, float]:
        deadline = time.monotonic() + BEAT_S
        while (seen := edit_batches(client.metrics()))[0] < expected_rows and time.monotonic() < deadline:
            time.sleep(0.2)
        return seen

    def _follow(self, client: Tailor, jobs: dict[str, str]) -> list[Job]:
        ended = JobProgress(self.console).follow(client, jobs)
        for job in ended:
            if job.status != JobStatus.SUCCEEDED:
                raise JobFailedError(job)
        return ended

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.times[name] = time.monotonic() - started

    def _report(self) -> None:
        for name, seconds in self.times.items():
            self._say(f"{seconds:6.1f} s  {name}")
        self._say(f"{self.out} shows the picture and {len(EDITS)} edits of it")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False)


def run_demo(folder: Path, out: Path) -> None:
    """Run the demo with its server's data in `folder`, and write the contact sheet to `out`.

    Raises UpError, MissingPartError or tailor_client's errors.
    """
    require_worker()
    picture = demo_picture()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    Demo(picture, folder, out, Console(highlight=False, soft_wrap=True)).run()


def edit_batches(metrics: str) -> tuple[float, float]:
    """Return the rows and the calls of all edits' UNet batches so far, from the text of /metrics."""
    counts = {"rows": 0.0, "calls": 0.0}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            name = sample.name.removeprefix("tailor_engine_").removesuffix("_total")
            if name in counts and sample.labels.get("request") == "PredictNoise":
                counts[name] += sample.value
    return counts["rows"], counts["calls"]


def curl_commands(url: str, picture: Path, learned: Job, edited: Job) -> str:
    """Return the commands that do with curl what the demo did."""
    body = f'{{"tail_id": "{learned.tail_id}", "prompt": "{next(iter(EDITS))}", "seed": {SEED}}}'
    return "\n".join(
        f"  {line}"
        for line in (
            f"curl {url}/personalize -F picture=@{picture} -F 'prompt={SOURCE_PROMPT}' -F seed={SEED}",
            f"curl -H 'Prefer: wait=30' {url}/jobs/{learned.id}",
            f"curl {url}/edit -H 'Content-Type: application/json' -d '{body}'",
            f"curl -H 'Prefer: wait=30' {url}/jobs/{edited.id}",
            f"curl -o sitting.png '{edited.results[0].url}'",
        )
    )


def _picture(client: Tailor, job: Job) -> Image.Image:
    return Image.open(io.BytesIO(client.download(job.results[0].url)))


@contextmanager
def _stopped_after(stack: Stack) -> Iterator[None]:
    try:
        yield
    finally:
        stack.supervisor.request_stop()
        stack.stop()
