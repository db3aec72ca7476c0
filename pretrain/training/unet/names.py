"""Names of individuals: what an individual's looks, said or not, add to the last vectors of any prompt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pretrain.training.text import WIDTH

TAIL = 5
NAMES_FILE = "names.safetensors"
_GAIN = 10.0  # so that fresh names are about as large as a prompt's own vectors
_INNER = 512
_HIDDEN = 0.15  # the share of names that leave a group of looks out


class Names(nn.Module):
    """Makes of an individual's looks its name: what it adds to a prompt's last vectors, (B, TAIL, WIDTH).

    Stable Diffusion knows thousands of people, places and works by a name, and a name tells what no description does.
    No caption of a drawn world can name each of its individuals, so this network stands for all their names: it learns
    with the UNet, and nobody can type what it makes. It leaves a place behind each prompt in which all looks can be
    told, those between the words too, and that is where a tail is looked for. Nothing that draws pictures needs it.
    """

    def __init__(self, groups: Mapping[str, int]) -> None:
        """Take how many numbers tell each group of looks, in their order."""
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(sum(groups.values()), _INNER), nn.SiLU(), nn.Linear(_INNER, TAIL * WIDTH))

    def forward(self, looks: Tensor) -> Tensor:
        """Return names (B, TAIL, WIDTH) of looks (B, numbers)."""
        names: Tensor = _GAIN * self.inner(looks)
        return names.view(len(looks), TAIL, WIDTH)


def with_tail_added(sequence: Tensor, residuals: Tensor) -> Tensor:
    """Return prompts (B, tokens, WIDTH) with (B, TAIL, WIDTH) added to their last vectors."""
    return torch.cat([sequence[:, :-TAIL], sequence[:, -TAIL:] + residuals], 1)


def hidden(looks: Tensor, groups: Mapping[str, int], generator: torch.Generator) -> Tensor:
    """Return looks (B, numbers) of which each group is left out, as zeros, now and then.

    So the words of a prompt stay worth reading, and who does not know something may leave it out.
    """
    kept = torch.rand(len(looks), len(groups), generator=generator, device=looks.device) >= _HIDDEN
    each = [kept[:, which, None].expand(-1, width) for which, width in enumerate(groups.values())]
    return looks * torch.cat(each, 1)


def save_names(names: Names, path: Path) -> None:
    """Write the network in float16."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in names.state_dict().items()}
    save_file(tensors, path)
    path.chmod(0o644)


def open_names(path: Path, groups: Mapping[str, int]) -> Names:
    """Return the network in a file, frozen, float32."""
    names = Names(groups)
    names.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return names.eval().requires_grad_(False)
