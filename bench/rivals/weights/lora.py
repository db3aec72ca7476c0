"""DreamBooth with LoRA: low-rank changes of the attention's projections in place of the whole UNet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.rivals.method import Shots, Stage, Subject
from bench.rivals.weights.dreambooth import DreamBooth
from bench.rivals.weights.finetune import copied, train, unet_of

TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]  # of diffusers' example
_NAME = "subject"


@dataclass(frozen=True)
class Lora(DreamBooth):
    """The defaults are diffusers' example's, which has no prior preservation; peft puts the layers in and out."""

    steps: int = 500
    learning_rate: float = 1e-4
    prior_weight: float = 0.0
    rank: int = 4

    def learn(self, stage: Stage, shots: Shots, seed: int) -> Subject:
        """Train the low-rank layers, keep them, and take them out."""
        loss_of = self._loss(stage, shots)
        with self._layers(stage, seed) as weights:
            losses = train(
                list(weights.values()), loss_of, steps=self.steps, learning_rate=self.learning_rate, seed=seed
            )
            kept = copied(weights)
        return Subject(shots, kept, losses)

    def applied(self, stage: Stage, subject: Subject) -> AbstractContextManager[None]:
        """Have the subject's layers in the UNet."""
        return self._applied(stage, subject)

    @contextmanager
    def _applied(self, stage: Stage, subject: Subject) -> Iterator[None]:
        with self._layers(stage, 0) as weights:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(subject.kept[name])
                    weight.requires_grad_(False)
            yield

    @contextmanager
    def _layers(self, stage: Stage, seed: int) -> Iterator[dict[str, Tensor]]:
        """Put fresh layers, which do nothing yet, into the UNet; afterwards it is as it was."""
        from peft import LoraConfig  # noqa: PLC0415 - importing it takes a second

        unet: Any = unet_of(stage)
        config = LoraConfig(r=self.rank, lora_alpha=self.rank, init_lora_weights="gaussian", target_modules=TARGETS)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            unet.add_adapter(config, adapter_name=_NAME)
        try:
            yield {name: weight for name, weight in unet.named_parameters() if "lora_" in name}
        finally:
            unet.unload_lora()
