"""What a worker says that it can do, by what its copy of a model holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.config import REPOSITORY
from core.models.info import ModelInfo
from core.models.parameters import PersonalizeParams
from tests.support.checkpoints import write_checkpoint
from tests.support.job_life import MODEL_HASH, Life
from tests.support.redis_server import redis_server
from tests.support.tiny_backbone import TinyBackbone
from worker.model_cache import ModelCache
from worker.model_publisher import publish_models
from worker.served_models import ModelLostError, ServedModels

CRITTERS = REPOSITORY / "models" / "critters"


class Published:
    """Stands for the registry: keeps what is published."""

    def __init__(self) -> None:
        self.infos: dict[str, ModelInfo] = {}

    def publish(self, info: ModelInfo, _tokenizer_json: bytes) -> None:
        self.infos[info.name] = info


@contextmanager
def life(tmp_path: Path) -> Iterator[Life]:
    with redis_server() as endpoint:
        yield Life(tmp_path / "storage", endpoint.url)


@pytest.mark.parametrize(("has", "can"), [(5, True), (0, False), (4, False)])
def test_a_job_that_begins_at_the_prior_is_done_only_where_it_is(tmp_path: Path, has: int, can: bool) -> None:
    served = ServedModels(ModelCache({}))
    served.add("critters", MODEL_HASH, prior_positions=has)
    with life(tmp_path) as jobs:
        wanting = jobs.personalization(personalize=PersonalizeParams(beginning="prior", positions=5))
        assert served.can(wanting) is can
        assert served.can(jobs.personalization())
        assert served.can(jobs.edit(wanting))


def test_a_model_that_loses_its_prior_while_it_is_served_is_lost_and_fails_no_job() -> None:
    backbone: Any = TinyBackbone()
    backbone.hash = MODEL_HASH
    served = ServedModels(ModelCache({"critters": "/"}, load=lambda *_: backbone))
    served.add("critters", MODEL_HASH, prior_positions=5)
    with pytest.raises(ModelLostError, match="had a tail prior of 5 positions"), served.use(MODEL_HASH):
        pass


def test_a_copy_without_the_prior_that_its_recipes_begin_at_is_not_served(tmp_path: Path) -> None:
    part = write_checkpoint(tmp_path / "part", kind="sd15")
    shutil.copy(CRITTERS / "tailor.json", part)
    cache, registry = ModelCache({"part": str(part)}), Published()
    served = ServedModels(cache)

    publish_models(cache, registry, served)  # type: ignore[arg-type]

    assert served.hashes() == {}
    assert registry.infos == {}
