"""What stands behind a caption while the UNet learns: the tails of others, names, or no text at all."""

import torch
from torch import Tensor

from pretrain.training.unet.names import TAIL, with_tail_added


def mix_tails(sequence: Tensor, empty: Tensor, generator: torch.Generator, names: Tensor | None = None) -> Tensor:
    """sequence: (B, 32, WIDTH) of pairs that share their looks; empty: (32, WIDTH). Returns the same with other tails.

    Half of the rows keep their own last five vectors; of the others most get their partner's (same looks, another
    scene), some those of a stranger. So the head alone carries the scene, and a tail is a place to find looks in. A
    tenth of the rows becomes the empty text, for guidance. `names` (B, TAIL, WIDTH) are added to the tails.
    """
    rows, where = len(sequence), sequence.device
    own = torch.arange(rows, device=where)
    stranger = torch.rand(rows, generator=generator, device=where).argsort()
    draw = torch.rand(rows, generator=generator, device=where)
    source = torch.where(draw < 0.5, own, torch.where(draw < 0.82, own ^ 1, stranger))
    mixed = torch.cat([sequence[:, :-TAIL], sequence[source, -TAIL:]], 1)
    if names is not None:
        mixed = with_tail_added(mixed, names)
    dropped = torch.rand(rows, generator=generator, device=where) < 0.1
    return torch.where(dropped[:, None, None], empty, mixed)
