"""Loads the configured models and publishes what the API must know of them."""

from __future__ import annotations

import structlog

from core.diffusion.backbone import Backbone
from core.diffusion.checkpoints import CheckpointError
from core.diffusion.checkpoints.checkpoint import PRIOR
from core.errors import StorageUnavailableError
from core.models.info import ModelInfo
from core.models.recipes import recipes_for
from core.models.registry import ModelRegistry
from worker.model_cache import ModelCache
from worker.served_models import ServedModels

DEFAULT_RECIPES = {"sdxl": "paper"}  # until something else was measured there
log = structlog.get_logger()


def model_info(backbone: Backbone) -> ModelInfo:
    """Return what the API needs to know of a backbone."""
    return ModelInfo(
        name=backbone.name,
        hash=backbone.hash,
        description=backbone.notes.description,
        family=backbone.family,
        image_size=backbone.image_size,
        size_multiple=backbone.pixels_per_latent,
        sequence_length=backbone.sequence_length,
        width=backbone.width,
        prior_positions=backbone.prior_positions,
        words=backbone.words,
        recipes=recipes_for(backbone.folder),
        default_recipe=DEFAULT_RECIPES.get(backbone.family, "fast"),
        device=backbone.device.type,
        dtype=str(backbone.dtype).removeprefix("torch."),
        license=backbone.notes.license,
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
                info = model_info(backbone)
                _check_prior(info)
                registry.publish(info, backbone.tokenizer_json)
        except StorageUnavailableError:
            raise
        except Exception as error:  # a broken checkpoint must not take the good ones with it
            log.error("model.load_failed", model=name, location=location, error=str(error))
        else:
            log.info("model.published", model=name, hash=info.hash[:12])
            served.add(name, info.hash, prior_positions=info.prior_positions)


def _check_prior(info: ModelInfo) -> None:
    """Refuse a copy of a model that lacks the prior at which its own recipes begin: its jobs would wait for nothing."""
    wanting = [name for name, recipe in info.recipes.items() if recipe.personalize.beginning == "prior"]
    if wanting and not info.prior_positions:
        raise CheckpointError(f"recipe {wanting[0]} begins at the tail prior, and {PRIOR} is not there")
