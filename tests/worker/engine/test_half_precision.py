"""What float16 takes: the scaled loss, rows that are not finite, and the copies of a call.

The formats are the CPU's own, which rounds and overflows as a GPU does; the speed is not the point.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from core.diffusion.backbone import load_backbone
from core.diffusion.requests import LossAndGrad, NoiseLoss
from core.diffusion.stack import stack_conditioning
from tests.support.checkpoints import Kind, write_checkpoint
from tests.support.tiny_backbone import CHANNELS, SIZE, TinyBackbone, prompt
from worker.engine.execution import execute


def requests(count: int, dtype: torch.dtype = torch.float32) -> list[NoiseLoss]:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(2, CHANNELS, SIZE, SIZE, generator=generator, dtype=dtype) for _ in range(count)]
    return [NoiseLoss(one, 500, prompt(f"row {i}", dtype), other) for i, (one, other) in enumerate(draws)]


def of_dtype(dtype: torch.dtype) -> Any:
    """Return the tiny backbone in another dtype, its weights the same but for rounding."""
    backbone = TinyBackbone(torch.float64)
    backbone.unet = backbone.unet.to(dtype)
    backbone.dtype = dtype
    return backbone


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_gradient_in_half_precision_is_float32s_but_for_rounding(dtype: torch.dtype) -> None:
    rows = requests(2)
    for half, full in zip(execute(of_dtype(dtype), rows, 2), execute(of_dtype(torch.float32), rows, 2), strict=True):
        assert half.finite
        assert half.grad.dtype == torch.float32
        assert half.loss == pytest.approx(full.loss, rel=0.02)
        assert torch.nn.functional.cosine_similarity(half.grad.flatten(), full.grad.flatten(), dim=0) > 0.99


def test_a_small_gradient_survives_float16_since_the_loss_is_scaled() -> None:
    """Of a real picture's 16,384 latents each has a gradient so small; here the sequence hardly matters instead."""
    backbones = of_dtype(torch.float32), of_dtype(torch.float16)
    for backbone in backbones:
        backbone.unet.key.weight *= 1e-5
        backbone.unet.value.weight *= 1e-5
    (full,), (half,) = (execute(backbone, requests(1), 1) for backbone in backbones)
    least = 2.0**-24  # of what float16 can hold
    assert float(full.grad.abs().median()) < least
    assert float((half.grad == 0).float().mean()) < 0.1
    assert float(half.grad.norm() / full.grad.norm()) == pytest.approx(1, rel=0.2)


def test_a_row_that_overflows_float16_is_told_and_leaves_its_neighbors_as_they_are() -> None:
    good, bad, other = requests(3)
    broken = replace(bad, noisy_latents=bad.noisy_latents * 1e6)
    backbone = of_dtype(torch.float16)
    first, lost, third = execute(backbone, [good, broken, other], 4)
    assert not lost.finite
    assert torch.equal(lost.grad, torch.zeros_like(lost.grad))
    company = execute(backbone, [good, other, other], 4)
    assert torch.equal(first.grad, company[0].grad)
    assert third.finite


class Copies(TorchDispatchMode):
    """Counts the copies between devices of a call; the backbone's is `meta`, which stands in for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.to_device: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and isinstance(result, Tensor):
            source: Tensor = args[0]
            if source.device != result.device:
                self.to_device.append(tuple(result.shape))
        return result


@pytest.mark.parametrize(("kind", "parts"), [("sd15", 3), ("sdxl", 5)])
def test_a_call_copies_each_of_its_inputs_once_whatever_the_rows(tmp_path: Path, kind: Kind, parts: int) -> None:
    backbone = load_backbone(str(write_checkpoint(tmp_path / kind, kind=kind)), name=kind, device="cpu")
    backbone._unet = backbone._unet.to("meta")
    rows = backbone.encode_prompt(["a dog", "a cat", "", "the house"])
    backbone.device = torch.device("meta")
    for count in (1, 4):
        latents = torch.zeros(count, *backbone.latent_shape)
        with Copies() as copies, torch.no_grad():
            backbone.predict(latents, torch.tensor([1] * count), stack_conditioning(rows[:count]))
        assert len(copies.to_device) == parts, copies.to_device
        assert {shape[0] for shape in copies.to_device} == {count}


def test_all_buckets_are_powers_of_two_so_that_shapes_are_few_and_static() -> None:
    seen: set[int] = set()
    backbone = of_dtype(torch.float32)
    backbone.before_call = lambda _method, size: seen.add(size)
    for count, bucket in ((1, 1), (2, 2), (3, 4), (5, 8), (8, 8)):
        results: list[LossAndGrad] = execute(backbone, requests(count), bucket)
        assert len(results) == count
    assert seen == {1, 2, 4, 8}
