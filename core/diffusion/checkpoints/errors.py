"""What is said of a checkpoint that can't be loaded."""

from __future__ import annotations

from core.errors import TailorError


class CheckpointError(TailorError):
    """A folder, file or hub name is no checkpoint that can be loaded; says what is wrong with it."""

    type, title = "bad-checkpoint", "Checkpoint can't be loaded"


class ModelTooLargeError(CheckpointError):
    """A checkpoint's weights don't fit into the memory that is free."""

    type, title = "model-too-large", "Model too large"
