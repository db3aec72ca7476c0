"""The figures of the papers, from unit vectors alone: how near pictures are to their prompts and to their subject."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from bench.trials.scoring import Share


def unit(vectors: Tensor) -> Tensor:
    """Return vectors (N, D) at length one, in float32."""
    return functional.normalize(vectors.float(), dim=-1)


def text_scores(pictures: Tensor, texts: Tensor) -> list[float]:
    """Return the cosine of each picture with its own text, both (N, D); the CLIP score of the HiPer paper."""
    scores: list[float] = (unit(pictures) * unit(texts)).sum(-1).tolist()
    return scores


def likenesses(pictures: Tensor, references: Tensor) -> list[float]:
    """Return each picture's mean cosine with all references, (N, D) and (M, D); DreamBooth's CLIP-I and DINO."""
    means: list[float] = (unit(pictures) @ unit(references).T).mean(1).tolist()
    return means


def hundredths(by_subject: Sequence[Sequence[float]]) -> Share:
    """Return the mean of subjects' means in hundredths, as papers have it, with a bootstrap's interval over them."""
    return Share.of(by_subject)


def differences(mine: Sequence[Sequence[float]], its: Sequence[Sequence[float]]) -> Share:
    """Return by how many hundredths the first is higher, paired over subjects."""
    pairs = zip(mine, its, strict=True)
    return Share.of([[float(torch.tensor(a).mean() - torch.tensor(b).mean())] for a, b in pairs])
