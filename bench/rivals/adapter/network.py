"""The adapter's network: a picture as a few more vectors, and cross-attention of their own beside the text's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from core.diffusion.prior import encoder_of

_METADATA = "picture_adapter"


class PictureAdapter(nn.Module):
    """Reads pictures into vectors behind the text's, and has keys and values for them in every cross-attention.

    IP-Adapter (Ye et al. 2023, arXiv 2308.06721) at the size of the embedded models: an image encoder, a projection to
    a few vectors of the text's width, decoupled cross-attention; text encoder, VAE and UNet stay frozen.
    """

    def __init__(
        self, encoder: dict[str, Any], tokens: int, width: int, layers: dict[str, int], text_length: int
    ) -> None:
        """Take `encoder_of`'s arguments as `encoder`, and the UNet's cross-attentions with their widths."""
        super().__init__()
        self.config: dict[str, Any] = {
            "encoder": encoder, "tokens": tokens, "width": width, "layers": layers, "text_length": text_length,
        }  # fmt: skip
        self.tokens, self.width, self.text_length, self.size = tokens, width, text_length, int(encoder["size"])
        self.encoder = encoder_of(**{**encoder, "widths": tuple(encoder["widths"])})
        self.project = nn.Sequential(
            nn.LayerNorm(encoder["features"]), nn.Linear(encoder["features"], tokens * width), nn.SiLU(),
            nn.Linear(tokens * width, tokens * width),
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.names = list(layers)
        self.keys = nn.ModuleList(nn.Linear(width, wide, bias=False) for wide in layers.values())
        self.values = nn.ModuleList(nn.Linear(width, wide, bias=False) for wide in layers.values())

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, 3, H, W) in -1..1, of any size. Returns vectors (B, tokens, width)."""
        if images.shape[-1] != self.size:
            images = functional.interpolate(images, (self.size, self.size), mode="area")
        vectors: Tensor = self.norm(self.project(self.encoder(images)).view(len(images), self.tokens, self.width))
        return vectors


class DecoupledAttention:
    """An attention processor: what a sequence has beyond the text's length is a picture's, with a softmax of its own.

    A row without more than the text, as the unconditional one is, goes as in the frozen model.
    """

    def __init__(self, adapter: PictureAdapter, number: int, scale: float) -> None:
        self._length = adapter.text_length
        self._key, self._value = adapter.keys[number], adapter.values[number]
        self._scale = scale

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,  # noqa: ARG002 - diffusers passes it
    ) -> Tensor:
        """hidden_states: (B, pixels, C); encoder_hidden_states: (B, L or more, D). Returns (B, pixels, C)."""
        text, picture = encoder_hidden_states[:, : self._length], encoder_hidden_states[:, self._length :]
        query = _heads(attn, attn.to_q(hidden_states))
        key, value = _heads(attn, attn.to_k(text)), _heads(attn, attn.to_v(text))
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        if picture.shape[1]:
            key, value = _heads(attn, self._key(picture)), _heads(attn, self._value(picture))
            out = out + self._scale * functional.scaled_dot_product_attention(query, key, value)
        joined = out.transpose(1, 2).flatten(2)
        result: Tensor = attn.to_out[1](attn.to_out[0](joined)) / attn.rescale_output_factor
        return result


def _heads(attn: Any, vectors: Tensor) -> Tensor:
    """(B, N, heads x d) to (B, heads, N, d)."""
    return vectors.view(*vectors.shape[:2], attn.heads, -1).transpose(1, 2)


def cross_attentions(unet: Any) -> dict[str, int]:
    """Return the names of a UNet's cross-attention processors, with the width of each."""
    layers = {name.removesuffix(".processor"): name for name in unet.attn_processors if "attn2" in name}
    return {name: unet.get_submodule(module).to_k.out_features for module, name in layers.items()}


@contextmanager
def installed(unet: Any, adapter: PictureAdapter, scale: float) -> Iterator[None]:
    """Have the adapter's attention in a UNet; afterwards it is as it was. ValueError for another model's adapter."""
    if cross_attentions(unet) != adapter.config["layers"]:
        raise ValueError("the adapter was trained for a UNet with other layers")
    before = dict(unet.attn_processors)
    ours = {name: DecoupledAttention(adapter, number, scale) for number, name in enumerate(adapter.names)}
    unet.set_attn_processor(before | ours)
    try:
        yield
    finally:
        unet.set_attn_processor(before)


def save_adapter(adapter: PictureAdapter, path: Path) -> None:
    """Write an adapter in float16, its shape in the file's metadata."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in adapter.state_dict().items()}
    save_file(tensors, path, {_METADATA: json.dumps(adapter.config)})


def load_adapter(path: Path) -> PictureAdapter:
    """Return the adapter in a file, frozen, float32. ValueError when it holds none."""
    try:
        with safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {})[_METADATA])
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - it is no mapping
        adapter = PictureAdapter(**config)
        adapter.load_state_dict(tensors)
    except Exception as error:
        raise ValueError(f"{path} holds no adapter: {error!r}") from error
    return adapter.eval().requires_grad_(False)
