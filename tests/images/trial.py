"""The services of docker-compose.yml, started from the images and used; one worker ends while it works."""

from __future__ import annotations

from collections.abc import Callable

from core.version import tailor_version
from tests.images.compose import Service
from tests.images.container import Container, wait_for, wait_until_healthy
from tests.images.journey import Journey, expect, large_picture, sample

STEPS = 600  # of the personalization whose worker ends: it takes long enough to be met at work
MOST_API_MB, MOST_CPU_WORKER_MB = 400, 2000
START = ("redis", "s3", "api", "worker")
Start = Callable[[str, Service], Container]
Say = Callable[[str], None]

CHECKS = """
import importlib.util, os, pathlib, tempfile
assert os.getuid() == 10001, os.getuid()
found = [name for name in ("torch", "diffusers", "transformers", "tailor_critters") if importlib.util.find_spec(name)]
assert bool(found) == {is_worker}, found
for folder in ("/app", "/tmp", os.path.expanduser("~")):
    try:
        pathlib.Path(folder, "written").write_text("")
    except OSError:
        continue
    raise SystemExit(folder + " can be written")
assert tempfile.gettempdir() == "/app/data", tempfile.gettempdir()
from core.version import tailor_version
print(tailor_version())
"""


class Trial:
    """One run through everything. `start` makes a container of a service under a name."""

    def __init__(self, services: dict[str, Service], sizes: dict[str, float], start: Start, say: Say) -> None:
        """Start nothing yet. `sizes` are our images' in MB, by service."""
        self._sizes = sizes
        self._services = services
        self._start = start
        self._say = say
        self.containers: dict[str, Container] = {}

    def run(self) -> None:
        """Do it all. Raises ImagesError at the first thing that does not hold."""
        for name in START:
            self._up(name, self._services[name])
        made = self.containers["api"].run("tailor", "keys", "create", "journey")
        expect(made.stdout.startswith("tailor_"), f"no API key: {made.stdout}{made.stderr}")
        journey = Journey(f"http://127.0.0.1:{self._services['api'].ports[0][0]}", made.stdout.strip())
        ready_s = wait_for(journey.is_ready, list(self.containers.values()), "a worker that has published its model")
        self._say(f"{ready_s:6.1f} s  until the API calls itself ready")
        for name in ("api", "worker"):
            self._check(self.containers[name])
        self._work(journey)
        self._end_a_worker_at_work(journey)
        for name, container in self.containers.items():
            if container.plan.is_ours:
                self._stop(name)

    def _up(self, name: str, service: Service) -> None:
        container = self.containers[name] = self._start(name, service)
        seconds = wait_until_healthy(container)
        self._say(f"{seconds:6.1f} s  until {name} is healthy: {' '.join(container.plan.health)[:70]}")

    def _check(self, container: Container) -> None:
        name = container.plan.service.name
        done = container.run("python", "-c", CHECKS.replace("{is_worker}", str(name == "worker")))
        expect(done.stdout.strip() == tailor_version(), f"{name}: {done.stdout}{done.stderr}")
        self._say(f"          {name} runs as 10001 on a root that it can't write; tailor {done.stdout.strip()}")

    def _work(self, journey: Journey) -> None:
        learned = journey.ended(journey.personalize(sample()))
        pictures = journey.edit(learned["tail_id"], num_images=2)
        expect(len(set(pictures)) == 2, "two pictures of an edit are the same")
        expect(0 < len(journey.tail(learned["tail_id"])) < 16_000, "a tail's file has an odd size")
        versions = learned["receipt"]["versions"]
        self._say(f"          personalized, edited, downloaded; the receipt's versions: {versions}")
        expect(self._sizes["api"] <= MOST_API_MB, f"the API's image has over {MOST_API_MB} MB")
        # A torch for GPUs brings several GB more.
        is_cpu = versions["torch"].endswith("+cpu")
        expect(
            not is_cpu or self._sizes["worker"] <= MOST_CPU_WORKER_MB, f"the worker's has over {MOST_CPU_WORKER_MB} MB"
        )
        picture = large_picture()
        journey.ended(journey.personalize(picture, steps=1))
        self._say(f"          took a picture of {len(picture) / 1e6:.1f} MB")

    def _end_a_worker_at_work(self, journey: Journey) -> None:
        sent = journey.personalize(sample(), steps=STEPS)
        journey.until(sent["id"], lambda job: job["step"] >= STEPS // 10, "a personalization at work")
        self._up("worker-2", self._services["worker"])
        before = journey.job(sent["id"])
        expect(
            (before["status"], before["attempt"]) == ("running", 1), f"not at work when its worker was to end: {before}"
        )
        self._stop("worker")
        after = journey.until(
            sent["id"], lambda job: job["attempt"] == 2 and job["step"] > 0, "another worker's attempt"
        )
        expect(after["step"] >= before["step"], f"it began anew: {before['step']} steps, then {after['step']}")
        self._say(f"          the job went on at step {after['step']} of {STEPS} with worker-2")
        journey.edit(journey.ended(after)["tail_id"])

    def _stop(self, name: str) -> None:
        container = self.containers[name]
        if not container.is_running():
            return
        code, seconds = container.stop()
        expect(code in (0, 143), f"{name} ended with {code}\n{container.log()[-3000:]}")
        self._say(
            f"{seconds:6.1f} s  until {name} had ended after SIGTERM (it may take {container.plan.service.grace_s:.0f})"
        )
