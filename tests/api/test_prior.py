"""A tail may begin at what the model's prior guesses, if the model has one."""

from __future__ import annotations

from pathlib import Path

import httpx

from core.services import open_services
from tests.api.problems import check
from tests.api.serving import MODEL, api_server, personalize, publish, serving_settings
from tests.support.redis_server import redis_server


def test_a_model_without_a_prior_says_so(api: httpx.Client) -> None:
    document = check(personalize(api, beginning="prior"), 422, "invalid-input", "beginning")
    assert "critters has no prior" in document["detail"]


def test_the_prior_guesses_as_many_vectors_as_it_has_learned(tmp_path: Path) -> None:
    with redis_server() as redis:
        settings = serving_settings(tmp_path / "storage", redis.url)
        publish(open_services(settings), MODEL.model_copy(update={"prior_positions": 5}))
        with api_server(settings) as api:
            assert personalize(api, beginning="prior").status_code == 202
            document = check(personalize(api, beginning="prior", positions="4"), 422, "invalid-input", "beginning")
            assert "a prior of 5 positions" in document["detail"]
            check(personalize(api, beginning="guess"), 422, "invalid-input", "beginning")
