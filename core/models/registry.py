"""The models that workers have published, and counting their tokens without torch."""

from __future__ import annotations

import time
from functools import lru_cache

from pydantic import ValidationError
from tokenizers import Tokenizer

from core.errors import InvalidInputError, ModelNotReadyError
from core.models.info import ModelInfo
from core.models.words import spelled_out
from core.storage.base import ObjectMissingError, Storage

REFRESH_S = 5


class ModelRegistry:
    """The models that workers have published, so that requests are checked without torch."""

    def __init__(self, storage: Storage, configured: dict[str, str]) -> None:
        self.storage = storage
        self.configured = configured
        self._models: list[ModelInfo] = []
        self._read_at = float("-inf")
        self._tokenizer = lru_cache(maxsize=16)(self._read_tokenizer)

    def publish(self, info: ModelInfo, tokenizer_json: bytes) -> None:
        """Write down what a backbone is; the tokenizer goes first, as the other names it."""
        self.storage.put(_tokenizer_key(info.hash), tokenizer_json, "application/json")
        self.storage.put(_model_key(info.name), info.model_dump_json().encode(), "application/json")

    def models(self) -> list[ModelInfo]:
        """Return the published models that are configured, the default one first; at most five seconds old."""
        if time.monotonic() - self._read_at > REFRESH_S or not self._models:
            self._models = [info for name in self.configured if (info := self._read(name))]
            self._read_at = time.monotonic()
        return self._models

    def get(self, name: str | None) -> ModelInfo:
        """Return one model (None: the default one); raises InvalidInputError or ModelNotReadyError."""
        wanted = name or next(iter(self.configured))
        if wanted not in self.configured:
            known = ", ".join(self.configured)
            raise InvalidInputError("model", f"model {wanted!r} is not served here; there are: {known}")
        for info in self.models():
            if info.name == wanted:
                return info
        raise ModelNotReadyError(f"no worker has loaded model {wanted!r} yet", retry_after_s=5)

    def count_tokens(self, info: ModelInfo, text: str) -> int:
        """Return a prompt's tokens, BOS and EOS included."""
        return len(self._tokenizer(info.hash).encode(spelled_out(text, info.words)).ids)

    def _read(self, name: str) -> ModelInfo | None:
        try:
            return ModelInfo.model_validate_json(self.storage.get(_model_key(name)))
        except (ObjectMissingError, ValidationError):  # one written by another version counts as not published
            return None

    def _read_tokenizer(self, model_hash: str) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.storage.get(_tokenizer_key(model_hash)).decode())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _model_key(name: str) -> str:
    return f"models/{name}.json"


def _tokenizer_key(model_hash: str) -> str:
    return f"tokenizers/{model_hash}.json"
