"""Loads the configured models and publishes what the API must know of them."""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from core.diffusion.backbone import Backbone
from core.errors import StorageUnavailableError
from core.models.info import ModelInfo
from core.models.recipes import recipes_for
from core.models.registry import ModelRegistry
from worker.model_cache import ModelCache
from worker.served_models import ServedModels

log = structlog.get_logger()


def model_info(backbone: Backbone, location: str) -> ModelInfo:
    """Return what the API needs to know of a backbone."""
    folder = Path(location)
    notes = folder / "tailor.json"
    description = json.loads(notes.read_text()).get("description", "") if notes.exists() else ""
    return ModelInfo(
        name=backbone.name,
        hash=backbone.hash,
        description=description,
        image_size=backbone.image_size,
        sequence_length=backbone.sequence_length,
        width=backbone.width,
        prior_positions=backbone.prior_positions,
        recipes=recipes_for(folder),
        device=backbone.device.type,
    )


def publish_models(cache: ModelCache, registry: ModelRegistry, served: ServedModels) -> None:
    """Load every configured model that is not served yet, publish it and serve it; the default one first.

    One that can't be loaded is logged and left out; raises StorageUnavailableError.
    """
    for name, location in cache.locations.items():
        if name in served.hashes():
            continue
        try:
            with cache.use(name) as backbone:
                registry.publish(model_info(backbone, location), backbone.tokenizer_json)
                model_hash = backbone.hash
        except StorageUnavailableError:
            raise
        except Exception as error:  # a broken checkpoint must not take the good ones with it
            log.error("model.load_failed", model=name, location=location, error=str(error))
        else:
            log.info("model.published", model=name, hash=model_hash[:12])
            served.add(name, model_hash)
