"""Sorts what a call raised: a smaller batch would do, the device is lost, or it is the job's own fault.

What torch 2.13 raises was read from its sources (`c10/util/Exception.h`, `c10/cuda/CUDAException.cpp`,
`c10/xpu/XPUException.cpp`, `aten/src/ATen/mps/MPSStream.mm`) and from reports of what users met (PyTorch's issues
112377, 122068, 157535, 185240; mberr/torch-max-mem 45); what the codes mean is from CUDA's page of `cudaError_t`:

- The caching allocator raises `torch.OutOfMemoryError`. Every other call of CUDA's runtime that fails is a
  `torch.AcceleratorError` with the text of `cudaGetErrorString` and the number as `error_code`; memory that is
  allocated past torch's allocator (streams, events, modules) ends so, with code 2. Neither hurts the device.
- cuBLAS, cuDNN, the driver's API, Triton and asserts inside torch are plain `RuntimeError`s: only the text tells.
- After an error of a kernel (codes 700, 710, 714-719 and others) every later call fails in the same way until the
  process ends, says CUDA's page; after one of an argument (1, 9, 701) the device goes on.
- On Apple's GPUs an `AcceleratorError` with code 1 is what a kernel says of its input (an index out of range, say).
"""

from __future__ import annotations

import re
from enum import StrEnum

import torch


class Fault(StrEnum):
    """What has to happen after an error."""

    SMALLER_BATCH = "smaller_batch"  # memory ran out: fewer rows, or the same alone and later
    DEVICE_LOST = "device_lost"  # every later call fails, anybody's: hand all back, end the process
    JOB = "job"  # nothing is wrong with the device


_CUDA_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation, and hipErrorOutOfMemory
_METAL_KERNEL = 1

_MEMORY = re.compile(
    r"(CUDA|HIP|XPU|MPS)( backend| driver)?( error:)? out of memory"
    r"|Triton Error \[\w+\]: out of memory"
    r"|Invalid buffer size: "  # Metal's, for more than the device can ever give
    r"|DefaultCPUAllocator"
    r"|(CUBLAS|CUDNN|CUSOLVER|HIPBLAS)_STATUS_ALLOC_FAILED"
    r"|CUDNN_STATUS_INTERNAL_ERROR_(HOST|DEVICE)_ALLOCATION_FAILED"
    r"|CUDA driver error: device not ready"  # the allocator's mapping of memory, when none is left
    r"|nable to find (a valid cuDNN algorithm|an engine to execute)",  # no workspace fits, in most reports
)
# A library can't begin, or torch can't ask how much memory is left: most often for want of memory, else a lost device
_AMBIGUOUS = re.compile(
    r"CUBLAS_STATUS_NOT_INITIALIZED when calling `?cublas(Lt)?Create"
    r"|CUDNN_STATUS_(NOT_INITIALIZED|SUBLIBRARY_LOADING_FAILED|INTERNAL_ERROR)"
    r"|NVML_SUCCESS"
)
_LOST = re.compile(
    r"(CUBLAS|HIPBLAS)_STATUS_(NOT_INITIALIZED|EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR)"
    r"|CUDNN_STATUS_(EXECUTION_FAILED|MAPPING_ERROR)"
    r"|(CUDA|HIP|XPU)( driver)? error: "
    r"|Triton Error \[\w+\]: "
    r"|device-side assert|illegal memory access|unspecified launch failure|uncorrectable ECC|NVML_|\bXid\b"
    r"|No CUDA GPUs are available|Found no NVIDIA driver"
)
# CUDA refuses what it was asked for and goes on
_REFUSED = re.compile(
    r"(CUDA|HIP)( driver)? error: (invalid argument|invalid configuration argument|operation not supported"
    r"|too many resources requested for launch|(CU|HIP)BLAS_STATUS_(INVALID_VALUE|NOT_SUPPORTED))"
)
# No job can be the cause of these
_MACHINE = re.compile(
    r"uncorrectable ECC|NVLink|hardware|busy or unavailable|no CUDA-capable device|No CUDA GPUs|no NVIDIA driver"
    r"|driver version|system not yet initialized|\bXid\b|fallen off",
    re.IGNORECASE,
)


def fault_of(error: BaseException) -> Fault:
    """Return what an error asks for; decided by its type, torch's `error_code` and its text alone.

    What a library says that can't begin (`may_be_lost`) counts as a want of memory: a smaller batch and an emptied
    cache do no harm, and if the device is lost, the next call says so.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return Fault.SMALLER_BATCH
    if not isinstance(error, RuntimeError):
        return Fault.JOB
    text, code = str(error), getattr(error, "error_code", None)
    if _MEMORY.search(text) or _AMBIGUOUS.search(text):
        return Fault.SMALLER_BATCH
    if isinstance(error, torch.AcceleratorError):
        return _accelerator_fault(text, code)
    return Fault.DEVICE_LOST if _LOST.search(text) and not _REFUSED.search(text) else Fault.JOB


def _accelerator_fault(text: str, code: int | None) -> Fault:
    """Return the fault of an AcceleratorError: the device is lost unless its text or code tells something else."""
    named = _LOST.search(text)
    if code == _CUDA_OUT_OF_MEMORY and named:
        return Fault.SMALLER_BATCH
    if _REFUSED.search(text) or (code == _METAL_KERNEL and not named):
        return Fault.JOB
    return Fault.DEVICE_LOST


def may_be_lost(error: BaseException) -> bool:
    """Tell whether an error that counts as a want of memory is a lost device's when one row alone meets it again.

    `CUBLAS_STATUS_NOT_INITIALIZED` of `cublasCreate` is the best known: cuBLAS takes memory when it begins.
    """
    return isinstance(error, RuntimeError) and bool(_AMBIGUOUS.search(str(error))) and not _MEMORY.search(str(error))


def may_be_a_jobs(error: BaseException) -> bool:
    """Tell whether a job may have lost the device (an index out of range, say), not the machine (ECC, driver, bus)."""
    return not _MACHINE.search(str(error))
