from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.tiny_backbone import TinyBackbone
from worker.engine import Engine


@pytest.fixture
def backbone() -> Any:
    """Give a backbone that stands in for `Backbone`: typed as anything, for it is no subclass."""
    return TinyBackbone()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(max_batch=8, num_threads=1)
    engine.start()
    yield engine
    engine.stop()
