"""Several processes of one thread each that average their gradients."""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

Part = TypeVar("Part")
Found = TypeVar("Found")


def run_parallel(function: Callable[..., None], processes: int, *arguments: Any, threads: int = 1) -> None:
    """Call function(*arguments) in several processes of so many threads each, which average their gradients.

    One process with several threads is far slower as soon as others want the cores too: its threads meet
    after every operation, those of several processes once a step. On idle cores it is as fast, or a little faster.
    """
    if processes == 1:
        settle(threads)
        function(*arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        work = (processes, threads, meeting, partial(function, *arguments))
        spawn(_work, work, nprocs=processes)  # type: ignore[no-untyped-call]


def _work(rank: int, processes: int, threads: int, meeting: Path, work: Callable[[], None]) -> None:
    settle(threads)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=processes)
    try:
        work()
    finally:
        dist.destroy_process_group()


def spread(function: Callable[[Part], Found], parts: Sequence[Part], processes: int) -> list[Found]:
    """Return function(part) of all parts, made by several processes of one thread each; in this one if it is one."""
    if processes == 1:
        return [function(part) for part in parts]
    with multiprocessing.get_context("spawn").Pool(processes, settle) as pool:
        return pool.map(function, parts, chunksize=1)


def shares(count: int, processes: int) -> list[range]:
    """Return 0..count-1 in as many runs as there are processes, or fewer."""
    size = max(1, -(-count // processes))
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def settle(threads: int = 1) -> None:
    """Use so many threads, and no slow arithmetic with numbers next to zero."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 by itself; one that must imitate it takes five times as long as float32."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def rank() -> int:
    """Which of the parallel processes this is; 0 also when there is only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def average(tensors: list[Tensor]) -> None:
    """Replace each tensor, of any shape, by its mean over the processes."""
    if not dist.is_initialized():
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    torch._foreach_copy_(tensors, [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)])


def wait_for_all() -> None:
    """Return when every process has come here."""
    if dist.is_initialized():
        dist.barrier()
