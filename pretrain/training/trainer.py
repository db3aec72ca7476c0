"""A resumable training: budget, optimizer, averaged weights, checkpoint; and a fit of what takes a minute."""

import copy
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from pretrain.training.parallel import average, rank, wait_for_all

LossOf = Callable[[int, torch.Generator], Tensor]
WARMUP_STEPS = 200
FIT_RATE, FIT_BATCH = 1e-3, 256


@dataclass(frozen=True)
class Budget:
    """How long to train: up to a number of steps, or for some minutes.

    `anneal` is the share at the end in which the learning rate falls to zero: a run ends visibly better with it.
    """

    steps: int | None = None
    minutes: float | None = None
    anneal: float = 0.3

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a budget is either steps or minutes")

    def used(self, step: int, seconds: float) -> float:
        """Return the share of the budget that is used up, 1 at the end."""
        if self.steps is not None:
            return step / self.steps if self.steps else 1.0
        return seconds / (self.minutes * 60) if self.minutes else 1.0

    def rate(self, used: float) -> float:
        """Return what to multiply the learning rate with: 1, then falling to 0 over the last share."""
        return 1.0 if self.anneal <= 0 else min(1.0, max(0.0, (1 - used) / self.anneal))


def fit_rows(
    weights: Iterable[nn.Parameter], guess: Callable[[Tensor], Tensor], seen: Tensor, wanted: Tensor, *, steps: int
) -> None:
    """Fit `weights` so that `guess` of rows of `seen` (N, ...) is those of `wanted`; small networks, all in memory.

    The rate is held for the first half of the steps and then falls to zero.
    """
    optimizer = torch.optim.AdamW(weights, lr=FIT_RATE, weight_decay=0.01)
    generator = torch.Generator().manual_seed(0)
    budget = Budget(steps=steps, anneal=0.5)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = FIT_RATE * budget.rate(budget.used(step, 0.0))
        rows = torch.randint(len(seen), (FIT_BATCH,), generator=generator)
        loss = functional.mse_loss(guess(seen[rows]), wanted[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


Module = TypeVar("Module", bound=nn.Module)


class Trainer(Generic[Module]):
    """One resumable training: module, optimizer, averaged weights, step, and a checkpoint of all of them.

    Every step draws its random numbers from a generator seeded by the step alone, so that a run taken up again
    goes on exactly as if it had never stopped.
    """

    def __init__(self, module: Module, checkpoint: Path, rate: float, seed: int = 0) -> None:
        self.module = module
        self.average = copy.deepcopy(module).requires_grad_(False).eval()
        self.checkpoint = checkpoint
        self.step = 0
        self._rate = rate
        self._seed = seed
        self._weights = [weight for weight in module.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(self._weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        if checkpoint.exists():
            self._load()

    def train(self, loss_of: LossOf, budget: Budget, on_save: Callable[[], None], save_minutes: float = 10.0) -> None:
        """Step until the budget is used; save, and call `on_save`, every few minutes and at the end."""
        self.module.train()
        self._rows = torch.zeros(2)  # seconds, loss: the same in all processes
        started, saved = time.monotonic(), 0.0
        first = self.step
        bar = tqdm(total=budget.steps, initial=self.step, disable=not sys.stderr.isatty())
        running: float | None = None
        while (used := budget.used(self.step, seconds := float(self._rows[0]))) < 1:
            loss = self._update(loss_of, budget.rate(used), time.monotonic() - started)
            running = loss if running is None else 0.99 * running + 0.01 * loss
            bar.update()
            if self.step % 100 == 0 and rank() == 0:
                print(f"step {self.step} loss {running:.4f} {seconds:.0f} s, {self.step - first} steps", flush=True)
            if seconds - saved > save_minutes * 60:
                self._pause(on_save)
                saved = seconds
        bar.close()
        self._pause(on_save)

    def _pause(self, on_save: Callable[[], None]) -> None:
        if rank() == 0:
            self.save()
            on_save()
        self.module.train()
        wait_for_all()

    def _update(self, loss_of: LossOf, factor: float, seconds: float) -> float:
        """One step of the optimizer, with the gradient's mean over the processes; returns the loss."""
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + self.step) * 64 + rank())
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * factor * min(1.0, (self.step + 1) / WARMUP_STEPS)
        loss = loss_of(self.step, generator)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._rows = torch.tensor([seconds, float(loss.detach())])
        average([self._rows, *self._gradients()])
        nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self.step += 1
        self._follow()
        return float(self._rows[1])

    def _gradients(self) -> list[Tensor]:
        """Return all weights' gradients, zeros where this batch had none: processes must agree on what they average."""
        for weight in self._weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self._weights if weight.grad is not None]

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights towards the current ones; fast at first, then over about a thousand steps."""
        decay = min(0.999, (1 + self.step) / (10 + self.step))
        averages, weights = ([w.detach() for w in side.parameters()] for side in (self.average, self.module))
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def save(self) -> None:
        """Write the checkpoint, all of it or nothing."""
        state = {
            "module": self.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.checkpoint.with_suffix(".unfinished")
        torch.save(state, unfinished)
        unfinished.replace(self.checkpoint)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        try:
            self.module.load_state_dict(state["module"])
        except RuntimeError as error:
            raise ValueError(f"{self.checkpoint} is of another network: remove it to begin anew") from error
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        print(f"taken up at step {self.step}", flush=True)
