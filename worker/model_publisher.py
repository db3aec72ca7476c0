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
        recipes=recipes_for(folder),
    )


def publish_models(models: ModelCache, registry: ModelRegistry) -> list[str]:
    """Load every configured model once and publish it, the default one first; returns the names of those that did.

    One that can't be loaded is logged and left out: its jobs are refused, the others' go on.
    """
    published = []
    for name, location in models.locations.items():
        try:
            with models.use(name) as backbone:
                registry.publish(model_info(backbone, location), backbone.tokenizer_json)
        except StorageUnavailableError:
            raise
        except Exception as error:  # a broken checkpoint must not take the good ones with it
            log.error("model.load_failed", model=name, location=location, error=str(error))
        else:
            log.info("model.published", model=name)
            published.append(name)
    return published
