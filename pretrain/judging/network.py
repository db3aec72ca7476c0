"""What the judges of both worlds are made of, and their weights on disk."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class Mixing(nn.Module):
    """A wide depthwise convolution over places, then a dense layer over channels."""

    def __init__(self, width: int, kernel: int = 5) -> None:
        super().__init__()
        self.places = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.channels = nn.Sequential(
            nn.GroupNorm(1, width), nn.Conv2d(width, 2 * width, 1), nn.GELU(), nn.Conv2d(2 * width, width, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        result: Tensor = features + self.channels(features + self.places(features))
        return result


def save_judge(judge: nn.Module, path: Path) -> None:
    """Write a judge's weights in fp16 safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.half().contiguous() for name, weight in judge.state_dict().items()}, path)


def load_weights(judge: nn.Module, path: Path) -> None:
    """Give a judge the weights in a file, float32, and freeze it."""
    judge.load_state_dict({key: weight.float() for key, weight in load_file(path).items()})
    judge.eval().requires_grad_(False)
