"""Real messages of torch and its libraries, and what each asks for."""

from __future__ import annotations

import pytest
import torch

from worker.engine import DeviceLostError, Fault, fault_of
from worker.engine.device.faults import may_be_a_jobs, may_be_lost
from worker.engine.ticket import DeviceMemoryError

HINT = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)


def accelerator(text: str, code: int | None = None) -> Exception:
    error = torch.AcceleratorError(text)
    if code is not None:
        error.error_code = code  # type: ignore[attr-defined]  # as torch sets it
    return error


MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB"),
    accelerator(f"CUDA error: out of memory{HINT}", 2),
    accelerator(f"CUDA error: out of memory{HINT}"),
    accelerator("HIP error: out of memory\nHIP kernel errors might be asynchronously reported", 2),
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.90 GiB total capacity)"),
    RuntimeError("CUDA driver error: out of memory"),
    RuntimeError("CUDA driver error: device not ready"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("Unable to find a valid cuDNN algorithm to run convolution"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 1125899906842624 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError(
        "MPS backend out of memory (MPS allocated: 17.93 GB, other allocations: 1.07 MB, max allowed: 18.13 GB)"
    ),
    RuntimeError("Invalid buffer size: 25.06 GiB"),
]
FIRST_USE = [
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError(
        'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDACachingAllocator.cpp":1015, please report'
    ),
]
LOST_BY_A_KERNEL = [
    accelerator(f"CUDA error: device-side assert triggered{HINT}", 710),
    accelerator(f"CUDA error: an illegal memory access was encountered{HINT}", 700),
    accelerator(f"CUDA error: unspecified launch failure{HINT}", 719),
    accelerator(f"CUDA error: misaligned address{HINT}", 716),
    accelerator("something that nobody has seen yet"),
    accelerator("HIP error: unspecified launch failure", 719),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasSgemm( handle, opa, opb, m, n, k)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb, m, n, k)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED_CUDART"),
    RuntimeError("cuDNN error: CUDNN_STATUS_MAPPING_ERROR"),
    RuntimeError("CUDA driver error: an illegal memory access was encountered"),
    RuntimeError("Triton Error [CUDA]: device-side assert triggered"),
]
LOST_BY_THE_MACHINE = [
    accelerator(f"CUDA error: uncorrectable ECC error encountered{HINT}", 214),
    accelerator(f"CUDA error: uncorrectable NVLink error detected during the execution{HINT}", 220),
    accelerator(f"CUDA error: CUDA-capable device(s) is/are busy or unavailable{HINT}", 46),
    accelerator(f"CUDA error: no CUDA-capable device is detected{HINT}", 100),
    RuntimeError("No CUDA GPUs are available"),
    RuntimeError(
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"
    ),
]
JOBS_OWN = [
    ValueError("CUDA out of memory"),
    DeviceMemoryError("a NoiseLoss call of 1 rows does not fit into memory: CUDA out of memory"),
    DeviceLostError("the device is lost: CUDA error: unspecified launch failure"),
    KeyError("CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("The size of tensor a (4) must match the size of tensor b (2) at non-singleton dimension 1"),
    RuntimeError("expected scalar type Half but found Float"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM"),
    RuntimeError(
        "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input."
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasSgemm( handle, opa, opb, m, n, k)`"),
    accelerator(f"CUDA error: invalid configuration argument{HINT}", 9),
    accelerator(f"CUDA error: too many resources requested for launch{HINT}", 701),
    accelerator("index 7 is out of bounds for dimension 0 with size 3", 1),  # Metal's kernels
]


@pytest.mark.parametrize("error", [*MEMORY, *FIRST_USE], ids=str)
def test_want_of_memory_in_all_its_guises_asks_for_a_smaller_batch(error: Exception) -> None:
    assert fault_of(error) is Fault.SMALLER_BATCH
    assert may_be_lost(error) is (error in FIRST_USE)


@pytest.mark.parametrize("error", [*LOST_BY_A_KERNEL, *LOST_BY_THE_MACHINE], ids=str)
def test_after_these_every_later_call_fails(error: Exception) -> None:
    assert fault_of(error) is Fault.DEVICE_LOST
    assert may_be_a_jobs(error) is (error in LOST_BY_A_KERNEL)


@pytest.mark.parametrize("error", JOBS_OWN, ids=str)
def test_everything_else_is_the_jobs_own(error: Exception) -> None:
    assert fault_of(error) is Fault.JOB
    assert not may_be_lost(error)


def test_a_real_allocation_that_is_too_large_asks_for_a_smaller_batch() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50)
    assert fault_of(raised.value) is Fault.SMALLER_BATCH
