"""What looks at pictures: a CLIP and a DINO from local folders, in transformers' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

_AT_ONCE = 16


class Clip:
    """A CLIP model: pictures and texts as vectors of one space."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel  # noqa: PLC0415 - takes seconds

        model_class: Any = CLIPModel  # untyped, like the next one
        processor_class: Any = AutoImageProcessor
        self._model: Any = model_class.from_pretrained(folder, local_files_only=True).eval().to(device)
        self._images: Any = processor_class.from_pretrained(folder, local_files_only=True)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._device = device

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return pictures' vectors (N, D)."""
        return _by_parts(pictures, lambda part: self._projected("image", pixel_values=self._pixels(part)))

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Return texts' vectors (N, D); what does not fit into the model is cut off, as papers do."""
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self._device)
        return self._projected("text", input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])

    def _pixels(self, pictures: Sequence[Image.Image]) -> Tensor:
        pixels: Tensor = self._images(list(pictures), return_tensors="pt")["pixel_values"]
        return pixels.to(self._device)

    def _projected(self, kind: str, **inputs: Tensor) -> Tensor:
        model = self._model
        if kind == "image":
            pooled = model.vision_model(**inputs).pooler_output
            vectors: Tensor = model.visual_projection(pooled)
        else:
            vectors = model.text_projection(model.text_model(**inputs).pooler_output)
        return vectors.cpu()


class Dino:
    """A vision transformer of self-supervised training (DINO, DINOv2): a picture's class token."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoImageProcessor, AutoModel  # noqa: PLC0415 - takes seconds

        model_class: Any = AutoModel  # untyped, like the next one
        processor_class: Any = AutoImageProcessor
        self._model: Any = model_class.from_pretrained(folder, local_files_only=True).eval().to(device)
        self._images: Any = processor_class.from_pretrained(folder, local_files_only=True)
        self._device = device

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Return pictures' vectors (N, D)."""
        return _by_parts(pictures, self._vectors)

    def _vectors(self, part: Sequence[Image.Image]) -> Tensor:
        pixels = self._images(list(part), return_tensors="pt")["pixel_values"].to(self._device)
        vectors: Tensor = self._model(pixel_values=pixels).last_hidden_state[:, 0]
        return vectors.cpu()


def _by_parts(pictures: Sequence[Image.Image], look: Any) -> Tensor:
    return torch.cat([look(pictures[first : first + _AT_ONCE]) for first in range(0, len(pictures), _AT_ONCE)])
