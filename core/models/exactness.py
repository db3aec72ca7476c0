"""Where a repetition with `exact` is equal bit for bit: on the CPU."""

from __future__ import annotations

from core.errors import InvalidInputError


def check_exact(*, wanted: bool, device: str) -> None:
    """Refuse `exact` on a device (its type) that can't keep it.

    On CUDA one bucket is not enough: cuDNN chooses its algorithms anew and some kernels add up in no fixed order. It
    would take `torch.use_deterministic_algorithms`, `CUBLAS_WORKSPACE_CONFIG` and the same card, driver and build.
    """
    if wanted and device != "cpu":
        detail = f"exact: the worker of this model computes on {device}, where no result is repeated bit for bit"
        raise InvalidInputError("exact", detail)
