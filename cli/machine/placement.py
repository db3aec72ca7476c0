"""Which GPU, how much of it and how many threads each worker on this machine gets."""

from __future__ import annotations

from dataclasses import dataclass

from cli.machine.gpus import VISIBLE
from core.config import Settings


@dataclass(frozen=True)
class Placement:
    """What one of several workers on a machine may use."""

    gpu: str | None = None  # as CUDA_VISIBLE_DEVICES names it; None: nothing is said of GPUs
    memory_share: float = 1.0  # of that GPU's memory
    threads: int = 0  # torch's; 0: as many as the worker finds

    @property
    def environment(self) -> dict[str, str]:
        """The variables that hold a worker to it."""
        variables = {} if self.gpu is None else {VISIBLE: self.gpu}
        if self.memory_share < 1:
            variables["TAILOR_GPU_MEMORY_SHARE"] = f"{self.memory_share:.4g}"
        if self.threads:
            variables["TAILOR_THREADS"] = str(self.threads)
        return variables


def placements(settings: Settings, gpus: list[str], cpus: int, workers: int | None) -> list[Placement]:
    """Return what each of so many workers gets; None: one worker a GPU, or one if there is none.

    GPUs are dealt out in turn; workers that get the same one divide what `gpu_memory_share` allows of its memory.
    The CPUs are divided, too, unless `threads` is set. A `device` other than auto or cuda leaves the GPUs alone.
    """
    usable = gpus if settings.device in ("auto", "cuda") else []
    count = workers or len(usable) or 1
    threads = max(1, cpus // count) if count > 1 and not settings.threads else settings.threads
    dealt = [usable[n % len(usable)] if usable else None for n in range(count)]
    return [Placement(gpu, _share(settings, dealt.count(gpu) if gpu else 1), threads) for gpu in dealt]


def _share(settings: Settings, sharing: int) -> float:
    return settings.gpu_memory_share / sharing
