"""Progress bars for jobs, by polling."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tailor_client import Job, Tailor
from tailor_client.answers import JobStatus


class JobProgress:
    """One bar per job, on `console` (standard error, so that standard output stays readable by programs)."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[state]}"), console=console)
        self._tasks: dict[str, TaskID] = {}

    def follow(self, client: Tailor, jobs: dict[str, str]) -> list[Job]:
        """Show bars until all jobs have ended and return them; `jobs` maps ids to what the bars are called."""
        with self._progress:
            for job_id, name in jobs.items():
                self._tasks[job_id] = self._progress.add_task(name, total=None, state="")
            return [self._follow_one(client, job_id) for job_id in jobs]

    def _follow_one(self, client: Tailor, job_id: str) -> Job:
        for job in client.watch(job_id):
            self._show(job)
            self._show_others(client, job_id)
        return job

    def _show_others(self, client: Tailor, followed: str) -> None:
        for job_id in self._tasks:
            if job_id != followed:
                self._show(client.job(job_id))

    def _show(self, job: Job) -> None:
        done = (job.steps or 1) if job.status == JobStatus.SUCCEEDED else job.step
        self._progress.update(
            self._tasks[job.id],
            completed=done,
            total=job.steps or (1 if job.status.ended else None),
            state=state_of(job),
        )


def state_of(job: Job) -> str:
    """Say in a few words where a job stands: position in the queue, loss and time left while it runs."""
    words: list[str] = [job.status.value]
    if job.status == JobStatus.QUEUED and job.queue_position is not None:
        words.append(f"({job.queue_position} before it)")
    if job.status == JobStatus.RUNNING:
        words += [f"loss {job.loss:.4f}"] if job.loss is not None else []
        words += [f"{job.eta_s:.0f} s left"] if job.eta_s is not None else []
    return " ".join(words)
