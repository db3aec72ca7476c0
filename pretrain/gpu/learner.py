"""A training on one device against the clock: optimizer, averaged weights, on a GPU each step one captured graph."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

_WARM_UP = 3  # steps before a graph is captured
_RATE_RISES = 0.02  # share of the time
_DECAY = 0.999  # of the averaged weights
Module = TypeVar("Module", bound=nn.Module)


class Learner(Generic[Module]):
    """Module, optimizer and averaged weights, and a loss of the next batch that needs nothing of the host.

    The loss must not read a value back: on a GPU the whole step, the optimizer's part too, is recorded once as a graph
    and replayed, since launching a small network's kernels one by one takes longer than running them.
    """

    def __init__(self, module: Module, loss_of: Callable[[], Tensor], rate: float, device: torch.device) -> None:
        """`loss_of` returns the loss of a batch that it draws itself, with the device's usual random numbers."""
        self.module = module
        self.average = copy.deepcopy(module).requires_grad_(False).eval()
        self.steps = 0
        self._loss_of, self._rate, self._device = loss_of, rate, device
        self._weights = [weight for weight in module.parameters() if weight.requires_grad]
        self._averages = [
            average
            for average, weight in zip(self.average.parameters(), module.parameters(), strict=True)
            if weight.requires_grad
        ]
        on_gpu = device.type == "cuda"
        self._now = torch.tensor(0.0, device=device)
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=self._now, betas=(0.9, 0.98), weight_decay=0.01, fused=on_gpu, capturable=on_gpu
        )
        self._running = torch.zeros((), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def train(self, seconds: float, anneal: float, between: Callable[[], None], name: str) -> None:
        """Step for so long, the rate falling to 0 over the last `anneal`; `between` is called every other second."""
        self.module.train()
        self._prepare()
        started, called, told = time.monotonic(), 0.0, 0.0
        while (spent := time.monotonic() - started) < seconds:
            used = spent / seconds
            rises, falls = min(1.0, used / _RATE_RISES + 0.05), min(1.0, (1 - used) / anneal)
            self._now.fill_(self._rate * min(rises, falls))
            self._step()
            if spent - called > 2:
                self._wait()  # so that the clock tells what has been done, not what was asked for
                between()
                called = spent
            if spent - told > 10:
                print(f"{name}: step {self.steps} loss {float(self._running):.4f} {spent:.0f} s", flush=True)
                told = spent
        self._wait()
        print(f"{name}: {self.steps} steps, loss {float(self._running):.4f}", flush=True)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()

    def _step(self) -> None:
        if self._graph is None:
            self._update()
        else:
            self._graph.replay()
        self.steps += 1

    def _prepare(self) -> None:
        """On a GPU, run some steps at rate 0 and record one."""
        if self._device.type != "cuda":
            return
        started = time.monotonic()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._update()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        self._optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._update()
        except RuntimeError as error:
            print(f"a step could not be recorded, which makes it slow: {error}", flush=True)
            return
        self._graph = graph
        print(f"a step was recorded after {time.monotonic() - started:.0f} s", flush=True)

    def _update(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._weights, 1 - _DECAY)
            self._running.lerp_(loss.detach(), 0.02)
