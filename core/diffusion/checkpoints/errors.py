"""What is said of a checkpoint that can't be loaded."""

from __future__ import annotations

from core.errors import TailorError


class CheckpointError(TailorError):
    """A folder, file or hub name is no checkpoint that can be loaded; says what is wrong with it."""

    type, title = "bad-checkpoint", "Checkpoint can't be loaded"
