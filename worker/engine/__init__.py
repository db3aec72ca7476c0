"""The engine: everybody's routines as batches through frozen backbones. It knows nothing of Celery, Redis or storage.

A routine is a generator that yields requests (`core.diffusion.requests`); `Engine.submit` takes it and answers with a
`Ticket`. Read `engine.py` first: pick, call, resume.
"""

from worker.engine.device.faults import Fault, fault_of
from worker.engine.device.memory import limit_memory
from worker.engine.device.threads import reserve_cores
from worker.engine.engine import Engine
from worker.engine.policy import Kind
from worker.engine.ticket import CancelReason, DeviceLostError, HandedBackError, JobCanceledError, Ticket

__all__ = [
    "CancelReason",
    "DeviceLostError",
    "Engine",
    "Fault",
    "HandedBackError",
    "JobCanceledError",
    "Kind",
    "Ticket",
    "fault_of",
    "limit_memory",
    "reserve_cores",
]
