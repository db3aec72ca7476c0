"""A worker that a job can kill: the real one, dying at once when it encodes a prompt that says so.

Only the fault suite starts it: `python -m bench.fault.stack.deadly_worker` with `DEADLY_PROMPT` in its environment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

from core.diffusion.backbone import Backbone

VARIABLE = "DEADLY_PROMPT"


def make_deadly(prompt: str) -> None:
    """Let this process die (SIGKILL) as soon as a backbone is to encode this prompt."""
    encode: Any = Backbone.encode_prompt

    def encode_or_die(self: Backbone, prompts: Sequence[str], *args: Any, **kwargs: Any) -> Any:
        if prompt in prompts:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(self, prompts, *args, **kwargs)

    Backbone.encode_prompt = encode_or_die  # type: ignore[method-assign,assignment] # the one boundary that is replaced


def main() -> None:
    """Run the worker as `python -m worker` does."""
    make_deadly(os.environ[VARIABLE])
    import runpy  # noqa: PLC0415 - the worker starts when it is imported

    runpy.run_module("worker", run_name="__main__")


if __name__ == "__main__":
    main()
