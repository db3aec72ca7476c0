"""What looks at pictures: a CLIP and a DINO from local folders, in transformers' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

_AT_ONCE = 16


class _Seeing:
    """A model with its own way of preparing pictures, from a local folder."""

    def __init__(self, folder: Path, device: torch.device, model_class: Any) -> None:
        from transformers import AutoImageProcessor  # noqa: PLC0415 - takes seconds

        processor_class: Any = AutoImageProcessor  # untyped
        self._model: Any = model_class.from_pretrained(folder, local_files_only=True).eval().to(device)
        self._images: Any = processor_class.from_pretrained(folder, local_files_only=True)
        self._device = device

    def _pixels(self, pictures: Sequence[Image.Image]) -> Tensor:
        pixels: Tensor = self._images(list(pictures), return_tensors="pt")["pixel_values"]
        return pixels.to(self._device)


class Clip(_Seeing):
    """A CLIP model: pictures and texts as vectors of one space."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoTokenizer, CLIPModel  # noqa: PLC0415 - takes seconds

        super().__init__(folder, device, CLIPModel)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return pictures' vectors (N, D)."""
        return _by_parts(pictures, lambda part: self._projected("image", pixel_values=self._pixels(part)))

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return texts' vectors (N, D); what does not fit into the model is cut off, as papers do."""
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self._device)
        return self._projected("text", input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])

    def _projected(self, kind: str, **inputs: Tensor) -> Tensor:
        model = self._model
        if kind == "image":
            pooled = model.vision_model(**inputs).pooler_output
            vectors: Tensor = model.visual_projection(pooled)
        else:
            vectors = model.text_projection(model.text_model(**inputs).pooler_output)
        return vectors.cpu()


class Dino(_Seeing):
    """A vision transformer of self-supervised training (DINO, DINOv2): a picture's class token."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoModel  # noqa: PLC0415 - takes seconds

        super().__init__(folder, device, AutoModel)

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return pictures' vectors (N, D)."""
        return _by_parts(pictures, self._vectors)

    def _vectors(self, part: Sequence[Image.Image]) -> Tensor:
        vectors: Tensor = self._model(pixel_values=self._pixels(part)).last_hidden_state[:, 0]
        return vectors.cpu()


def _by_parts(pictures: Sequence[Image.Image], look: Any) -> Tensor:
    return torch.cat([look(pictures[first : first + _AT_ONCE]) for first in range(0, len(pictures), _AT_ONCE)])
