"""A worker whose device is lost in the middle of a call: it exits, is started again, and no job fails."""

from __future__ import annotations

from pathlib import Path

from tests.support.stack import running_stack

# Breaks the worker's UNet once, as CUDA does after a kernel's error, when a file says so.
BROKEN_DEVICE = """
import os, sys
if "worker" in sys.orig_argv:
    import torch
    from core.diffusion.backbone import Backbone
    predict, order = Backbone.predict, {order!r}

    def breaks(self, *args):
        if os.path.exists(order):
            os.rename(order, order + ".done")
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
        return predict(self, *args)

    Backbone.predict = breaks
"""


def test_jobs_of_a_lost_device_end_in_success_and_those_beside_its_last_call_are_handed_back(tmp_path: Path) -> None:
    order = tmp_path / "break"
    (tmp_path / "sitecustomize.py").write_text(BROKEN_DEVICE.format(order=str(order)))
    with running_stack(tmp_path / "data", PYTHONPATH=str(tmp_path)) as stack:
        before = stack.pid("worker-1")
        # `exact` jobs share no call with others: one of the two is beside the call that is the last
        jobs = [stack.personalize(steps=150, seed=seed, exact=exact)["id"] for seed, exact in ((1, False), (2, True))]
        for job in jobs:
            stack.until_step(job, 3)
        order.touch()
        ended = [stack.succeeded(job) for job in jobs]
        assert stack.pid("worker-1") != before
    assert order.with_name("break.done").exists()
    assert all(job["attempt"] >= 2 for job in ended)
    log = (tmp_path / "data.log").read_text() + "".join(path.read_text() for path in tmp_path.glob("data/**/*.log"))
    assert "left_to_its_lease" in log
    assert "handed_back" in log
    assert "exit code 71" in log
