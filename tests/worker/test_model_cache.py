from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.diffusion.checkpoints.errors import ModelTooLargeError
from core.diffusion.stack import stack_conditioning
from core.errors import NotFoundError
from tests.support.tiny_backbone import prompt
from worker.engine.prompts import PromptCache
from worker.model_cache import ModelCache


class Loader:
    """Counts the loads of models of 100 bytes each; `during` runs in each load."""

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.loads: Counter[str] = Counter()
        self.during = during

    def __call__(self, location: str, name: str) -> Any:
        self.loads[location] += 1
        self.during()
        return SimpleNamespace(name=name, memory_bytes=100)


def cache_of(loader: Loader, budget_bytes: int | None = None) -> ModelCache:
    return ModelCache({name: f"/{name}" for name in "abc"}, budget_bytes=budget_bytes, load=loader)


def name_of(cache: ModelCache, name: str) -> str:
    with cache.use(name) as backbone:
        return backbone.name


def wait_for_uses(cache: ModelCache, uses: int) -> None:
    """Return when so many uses have begun; their counters are the only thing to see from outside."""
    tick = threading.Event()
    while cache.stats().hits + cache.stats().misses < uses:
        tick.wait(0.001)


def test_a_model_is_loaded_once_however_many_threads_ask_at_once() -> None:
    go = threading.Event()
    loader = Loader(during=lambda: go.wait(30))
    cache = cache_of(loader)
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(name_of, cache, "a") for _ in range(16)]
        wait_for_uses(cache, 16)
        go.set()
        assert [future.result(30) for future in asked] == ["a"] * 16
    assert loader.loads == {"/a": 1}
    assert (cache.stats().misses, cache.stats().hits, cache.stats().loads) == (1, 15, 1)


def test_a_model_can_be_used_while_another_one_loads() -> None:
    go = threading.Event()
    loader = Loader()
    cache = cache_of(loader)
    assert name_of(cache, "a") == "a"
    loader.during = lambda: go.wait(30)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(name_of, cache, "b")
        wait_for_uses(cache, 2)
        assert name_of(cache, "a") == "a"
        assert not slow.done()
        go.set()
        assert slow.result(30) == "b"


def test_a_failed_load_reaches_everyone_who_waited_and_is_tried_again_later() -> None:
    go = threading.Event()

    def fail() -> None:
        go.wait(30)
        raise OSError("the disk is gone")

    loader = Loader(during=fail)
    cache = cache_of(loader)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(name_of, cache, "a") for _ in range(4)]
        wait_for_uses(cache, 4)
        go.set()
        for future in asked:
            with pytest.raises(OSError, match="the disk is gone"):
                future.result(30)
    loader.during = lambda: None
    assert name_of(cache, "a") == "a"
    assert loader.loads == {"/a": 2}
    assert (cache.stats().failed_loads, cache.stats().loads) == (1, 1)


def test_the_least_recently_used_model_leaves_when_the_budget_is_exceeded() -> None:
    loader = Loader()
    cache = cache_of(loader, budget_bytes=200)
    for name in "abac":
        name_of(cache, name)
    assert (cache.stats().evictions, cache.stats().memory_bytes) == (1, 200)
    name_of(cache, "a")
    assert loader.loads["/a"] == 1
    name_of(cache, "b")
    assert loader.loads["/b"] == 2


def test_a_model_in_use_never_leaves_and_goes_when_its_last_user_has_gone() -> None:
    loader = Loader()
    cache = cache_of(loader, budget_bytes=100)
    with cache.use("a") as first:
        with cache.use("a") as second:
            name_of(cache, "b")
        assert first is second
        assert cache.stats().evictions == 0
        assert cache.stats().memory_bytes == 200
    assert cache.stats().memory_bytes == 100
    name_of(cache, "b")
    assert loader.loads == {"/a": 1, "/b": 1}


def test_a_budget_smaller_than_a_model_keeps_that_one_model() -> None:
    loader = Loader()
    cache = cache_of(loader, budget_bytes=10)
    for _ in range(3):
        name_of(cache, "a")
    assert loader.loads == {"/a": 1}


def test_a_model_that_does_not_fit_is_tried_again_after_what_nobody_uses_has_left() -> None:
    room = {"taken": 0}

    def fail_when_full() -> None:
        if cache.stats().memory_bytes:
            room["taken"] += 1
            raise ModelTooLargeError("it does not fit")

    loader = Loader()
    cache = cache_of(loader)
    name_of(cache, "a")
    loader.during = fail_when_full
    assert name_of(cache, "b") == "b"
    assert (room["taken"], cache.stats().evictions, loader.loads["/b"]) == (1, 1, 2)
    with cache.use("b"), pytest.raises(ModelTooLargeError):
        name_of(cache, "c")
    assert name_of(cache, "b") == "b"


def test_an_unknown_model_is_not_found_and_the_known_ones_are_named() -> None:
    with pytest.raises(NotFoundError, match="model is 'd'; it must be one of a, b, c"), cache_of(Loader()).use("d"):
        pass


def test_the_embedded_model_is_loaded_and_predicts() -> None:
    cache = ModelCache({"critters": str(Path(__file__).parents[2] / "models" / "critters")})
    with cache.use("critters") as backbone:
        assert backbone.name == "critters"
        assert cache.stats().memory_bytes == backbone.memory_bytes > 1_000_000
        conditioning = stack_conditioning(backbone.encode_prompt(["a red cat"]))
        with torch.no_grad():
            noise = backbone.predict(torch.zeros(1, *backbone.latent_shape), torch.tensor([500]), conditioning)
    assert noise.shape == (1, *backbone.latent_shape)
    assert noise.isfinite().all()


def test_the_prompt_used_least_recently_leaves_a_full_prompt_cache() -> None:
    prompts = PromptCache(max_entries=2)
    encodings = {text: prompt(text) for text in "abc"}
    prompts.put("hash", None, "a", encodings["a"])
    prompts.put("hash", None, "b", encodings["b"])
    assert prompts.get("hash", None, "a") is encodings["a"]
    prompts.put("hash", None, "c", encodings["c"])
    assert prompts.get("hash", None, "b") is None
    assert prompts.get("hash", None, "a") is encodings["a"]
    assert prompts.get("another", None, "a") is None
    assert prompts.get("hash", 4, "a") is None
    assert (prompts.hits, prompts.misses, len(prompts)) == (2, 3, 2)
