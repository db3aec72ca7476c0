"""Checkpoints on disk: folders in diffusers' layout, single files, and what is merged into them at load."""

from core.diffusion.checkpoints.checkpoint import Checkpoint, Parts
from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.find import find_checkpoint

__all__ = ["Checkpoint", "CheckpointError", "Parts", "find_checkpoint"]
