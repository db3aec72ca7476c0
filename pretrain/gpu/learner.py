"""A training on one device against the clock: optimizer, averaged weights, on a GPU each step one recorded graph."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

_WARM_UP = 3  # steps before one is recorded
_RATE_RISES = 0.02  # share of the time
_DECAY = 0.999  # of the averaged weights, which follow faster at first, as `trainer.Trainer`'s do
_BETWEEN, _TELL, _KEEP = 2.0, 10.0, 60.0  # seconds
_MOST_SPOILED = 0.2  # of the recent steps
Module = TypeVar("Module", bound=nn.Module)


class Learner(Generic[Module]):
    """Module, optimizer and averaged weights, and a loss of the next batch that needs nothing of the host.

    The loss must not read a value back: on a GPU the whole step, the optimizer's part too, is recorded once as a graph
    and replayed, since launching a small network's kernels one by one takes longer than running them. A step whose
    gradient is not finite moves nothing; when that befalls many steps the training ends with FloatingPointError.
    """

    def __init__(self, module: Module, loss_of: Callable[[], Tensor], rate: float, device: torch.device) -> None:
        """`loss_of` returns the loss of a batch that it draws itself, with the device's usual random numbers."""
        self.module = module
        self.average = copy.deepcopy(module).requires_grad_(False).eval()
        self.steps = 0
        self._loss_of, self._rate, self._device = loss_of, rate, device
        both = list(zip(self.average.parameters(), module.parameters(), strict=True))
        self._weights: list[Tensor] = [weight for _, weight in both if weight.requires_grad]
        self._averages: list[Tensor] = [average for average, weight in both if weight.requires_grad]
        on_gpu = device.type == "cuda"
        self._now = torch.tensor(0.0, device=device)
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=self._now, betas=(0.9, 0.98), weight_decay=0.01, fused=on_gpu, capturable=on_gpu
        )
        self._loss, self._spoiled = (torch.zeros((), device=device) for _ in range(2))  # of the last fifty steps
        self._followed = torch.zeros((), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def train(  # noqa: PLR0917 - how long, and what to do meanwhile
        self,
        seconds: float,
        anneal: float,
        between: Callable[[], object],
        keep: Callable[[], object],
        name: str,
        ends: float = math.inf,
    ) -> None:
        """Step for so long, but not beyond `ends` (as `time.time` tells it), the rate falling to 0 over `anneal` of it.

        `between` is called every other second, `keep` every minute and in the end. FloatingPointError when many
        gradients are not finite, TimeoutError, with nothing kept, when no time is left to begin.
        """
        self.module.train()
        self._prepare()
        seconds = min(seconds, ends - time.time())
        if seconds <= 0:
            raise TimeoutError(f"{name}: no time is left to begin")
        started = time.monotonic()
        called = told = kept = 0.0
        while (spent := time.monotonic() - started) < seconds:
            used = spent / seconds
            self._now.fill_(self._rate * min(1.0, used / _RATE_RISES + 0.05, (1 - used) / max(anneal, 1e-9)))
            self._step()
            self._wait()  # so that the clock tells what has been done, not what was asked for
            if spent - called > _BETWEEN:
                between()
                called = time.monotonic() - started  # what it took is not the next steps' time
            if spent - told > _TELL:
                self._tell(name, spent)
                told = spent
            if spent - kept > _KEEP:
                keep()
                kept = spent
        self._tell(name, spent)
        keep()

    def _tell(self, name: str, spent: float) -> None:
        loss, spoiled = float(self._loss), float(self._spoiled)
        print(f"{name}: step {self.steps}, loss {loss:.4f}, {spent:.0f} s, spoiled {spoiled:.3f}", flush=True)
        if spoiled > _MOST_SPOILED:
            raise FloatingPointError(f"{name}: too many gradients are not finite: {self._spoiling()}")

    def _spoiling(self) -> str:
        """Tell of one more batch what of it is not finite."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        found = [
            name
            for name, weight in self.module.named_parameters()
            if weight.grad is not None and not weight.grad.isfinite().all()
        ]
        return f"the loss is {float(loss.detach()):.4g}, of {len(found)} weights the gradient, first {found[:3]}"

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
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._update()
        torch.cuda.current_stream().wait_stream(stream)
        if float(self._spoiled):
            raise FloatingPointError(f"the first gradients are not finite: {self._spoiling()}")
        self._optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._update()
        self._graph = graph
        print(f"a step was recorded after {time.monotonic() - started:.0f} s", flush=True)

    def _update(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        sound = torch.stack(torch._foreach_norm(gradients)).isfinite().all()
        for gradient in gradients:
            gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(sound)
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        with torch.no_grad():
            self._follow()
            self._spoiled.lerp_((~sound).float(), 0.02)
            self._loss.lerp_(torch.where(sound, loss.detach(), self._loss), 0.02)

    def _follow(self) -> None:
        """Move the averaged weights towards the current ones."""
        self._followed += 1
        share = 1 - ((1 + self._followed) / (10 + self._followed)).clamp(max=_DECAY)
        ways = torch._foreach_sub(self._weights, self._averages)
        torch._foreach_mul_(ways, share)
        torch._foreach_add_(self._averages, ways)
