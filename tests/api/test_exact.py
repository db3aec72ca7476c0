"""`exact` is taken where it can be kept, and refused where not."""

from __future__ import annotations

from pathlib import Path

import httpx

from core.config import Settings
from core.services import open_services
from tests.api.problems import check
from tests.api.serving import MODEL, api_server, edit, personalize, publish, serving_settings


def test_exact_is_refused_for_a_model_that_is_computed_on_a_gpu(settings: Settings, tmp_path: Path) -> None:
    own = serving_settings(tmp_path / "storage", settings.redis_url)
    publish(open_services(own), MODEL.model_copy(update={"device": "cuda"}))

    with api_server(own) as api:
        check(personalize(api, exact="true"), 422, "invalid-input", "exact")
        tail_id = personalize(api).json()["tail_id"]
        check(edit(api, tail_id, exact=True), 422, "invalid-input", "exact")
        assert edit(api, tail_id).status_code == 202


def test_exact_is_taken_for_a_model_that_is_computed_on_the_cpu(api: httpx.Client) -> None:
    assert personalize(api, exact="true").json()["parameters"]["exact"] is True
