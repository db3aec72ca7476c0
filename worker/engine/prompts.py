"""The cache of prompt encodings."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from core.diffusion.conditioning import Conditioning


class PromptCache:
    """The encodings of the prompts used last, by backbone hash, pinned bucket and text. Safe in any thread.

    The bucket is part of the key because an encoding is equal bit for bit only at one bucket size.
    """

    def __init__(self, max_entries: int = 1024) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[str, int | None, str], Conditioning] = OrderedDict()
        self._lock = Lock()
        self.hits = 0
        self.misses = 0

    def get(self, backbone_hash: str, bucket: int | None, text: str) -> Conditioning | None:
        """Return the encoding, or None."""
        key = (backbone_hash, bucket, text)
        with self._lock:
            if key not in self._entries:
                self.misses += 1
                return None
            self.hits += 1
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, backbone_hash: str, bucket: int | None, text: str, encoding: Conditioning) -> None:
        """Keep an encoding; the one unused for longest leaves when there are too many."""
        with self._lock:
            self._entries[backbone_hash, bucket, text] = encoding
            self._entries.move_to_end((backbone_hash, bucket, text))
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)
