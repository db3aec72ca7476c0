"""A checkpoint in one safetensors file with the original names of its weights, as model sites have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils

from core.diffusion.checkpoints.checkpoint import Checkpoint, Dtypes, Parts, digest_of, frozen
from core.diffusion.checkpoints.configs import LAYOUTS, Configs
from core.diffusion.checkpoints.errors import CheckpointError
from core.diffusion.checkpoints.folder import TEXT_ENCODERS, config_patterns
from core.diffusion.checkpoints.headers import Header, read_header, sha256_of

_DIFFUSERS: Any = single_file_utils  # untyped
_PREFIXES = {
    "UNet": ("model.diffusion_model.",),
    "text encoder": ("cond_stage_model.", "conditioner.embedders."),
    "VAE": ("first_stage_model.", "vae."),
}
_LAYOUT_OF = {"v1": "sd1", "v2": "sd2", "xl_base": "sdxl"}  # what diffusers calls the published ones
_UNLOADABLE = (OSError, ValueError, RuntimeError, KeyError, AttributeError)
_MARKS = ("v_pred", "ztsnr")  # tensors by which fine-tunes of SDXL say that they predict v, and end at zero SNR


class SingleFileCheckpoint(Checkpoint):
    """One file. What it doesn't hold, its configs, are those of the published model, which come with Tailor.

    A folder beside it that is called like the file (`dream/` for `dream.safetensors`) may hold others in diffusers'
    layout, which go before, and tailor.json, a license, a tail prior.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.header = read_header(file)
        _check_contents(file, self.header)
        own = file.with_suffix("")
        layout = () if (own / "model_index.json").is_file() else (LAYOUTS / _layout(file, self.header),)
        super().__init__(file, Configs(file, (own, *layout) if own.is_dir() else layout, _told(self.header)))

    @property
    def notes(self) -> Path:
        """The folder that is called like the file."""
        return self.file.with_suffix("")

    @property
    def metadata(self) -> Mapping[str, str]:
        """The file's own metadata, in which `modelspec.…` is what model sites write."""
        return self.header.metadata

    def elements(self) -> dict[str, int]:
        """Return how many numbers each part has; both text encoders of SDXL are told as one."""
        names = {"text_encoder": "text encoder", "unet": "UNet", "vae": "VAE"}
        return {part: self.header.elements(*_PREFIXES[name]) for part, name in names.items()}

    def load(self, dtypes: Dtypes) -> Parts:
        """Load all parts on the CPU, by diffusers' own conversion of the names."""
        weights = _DIFFUSERS.load_single_file_checkpoint(str(self.file), local_files_only=True)
        unet_class: Any = UNet2DConditionModel  # untyped, like the next one
        vae_class: Any = AutoencoderKL
        return Parts(
            tokenizers=[self.configs.tokenizer(part) for part in self.family.tokenizers],
            text_encoders=[
                self._text_encoder(weights, part, dtypes.text_encoder) for part in self.family.text_encoders
            ],
            vae=self._model(vae_class, weights, "vae", dtypes.vae),
            unet=self._model(unet_class, weights, "unet", dtypes.unet),
        )

    def hash(self) -> str:
        """Return the file's own SHA-256, as model sites tell it, unless configs beside it are used, too."""
        own = [path for pattern in config_patterns(self.family.parts) for path in self.notes.glob(pattern)]
        if not own:
            return sha256_of(self.file)
        lines = sorted(f"{path.relative_to(self.notes).as_posix()} {sha256_of(path)}" for path in set(own))
        return digest_of([f"weights {sha256_of(self.file)}", *lines])

    def _model(self, model_class: Any, weights: dict[str, Any], part: str, dtype: torch.dtype) -> Any:
        folder = str(self.configs.folder_of(f"{part}/config.json"))
        return self._checked(
            part,
            lambda: model_class.from_single_file(weights, config=folder, subfolder=part, local_files_only=True),
            dtype,
        )

    def _text_encoder(self, weights: dict[str, Any], part: str, dtype: torch.dtype) -> Any:
        folder = str(self.configs.folder_of(f"{part}/config.json"))
        return self._checked(
            part,
            lambda: _DIFFUSERS.create_diffusers_clip_model_from_ldm(
                TEXT_ENCODERS[part], weights, subfolder=part, config=folder, local_files_only=True
            ),
            dtype,
        )

    def _checked(self, part: str, load: Callable[[], Any], dtype: torch.dtype) -> Any:
        """Return what was loaded; weights that are missing or misshapen are an error, never left at random."""
        try:
            model = load()
        except NotImplementedError as error:  # a weight that was never filled can't be moved
            raise CheckpointError(f"{self.file}: its {part} lacks some of its weights: {error}") from error
        except (*_UNLOADABLE, _DIFFUSERS.SingleFileComponentError) as error:
            raise CheckpointError(f"{self.file}: its {part} can't be loaded: {error}") from error
        missing = sorted(name for name, tensor in model.state_dict().items() if tensor.is_meta)
        if missing:
            raise CheckpointError(f"{self.file}: its {part} lacks {len(missing)} weights, the first is {missing[0]}")
        # torch's own, as diffusers' warns of modules to be kept in float32 where there are none
        return frozen(torch.nn.Module.to(model, dtype))


def _check_contents(file: Path, header: Header) -> None:
    """Raise a CheckpointError that says what the file is when it isn't a whole checkpoint."""
    has = {part: bool(header.elements(*prefixes)) for part, prefixes in _PREFIXES.items()}
    if all(has.values()):
        return
    if any(".lora_" in name or name.startswith("lora_") for name in header.shapes):
        raise CheckpointError(f"{file} is a LoRA: it is merged into a model, as in model.safetensors+lora:{file.name}")
    if not any(has.values()):
        raise CheckpointError(
            f"{file} holds none of a checkpoint's parts by their original names (model.diffusion_model.…)"
        )
    there, lacking = ([part for part in has if has[part] is wanted] for wanted in (True, False))
    raise CheckpointError(
        f"{file} holds the {' and the '.join(there)} only: it lacks the {' and the '.join(lacking)}; "
        "a file with all of them is needed"
    )


def _layout(file: Path, header: Header) -> str:
    """Return which of the layouts a file has, as diffusers tells them apart."""
    kind = _DIFFUSERS.infer_diffusers_model_type(
        {name: torch.empty(shape, device="meta") for name, shape in header.shapes.items()}
    )
    if kind not in _LAYOUT_OF:
        raise CheckpointError(f"{file} is of the kind {kind}; Stable Diffusion 1.x, 2.x and XL can be loaded")
    return _LAYOUT_OF[kind]


def _told(header: Header) -> dict[str, Any]:
    """Return what the file itself says of its schedule: by marks in it, or in its metadata (ModelSpec)."""
    told: dict[str, Any] = {}
    spoken = header.metadata.get("modelspec.prediction_type", "").lower()
    if spoken.startswith("eps"):
        told["prediction_type"] = "epsilon"
    if _MARKS[0] in header.shapes or spoken in ("v", "v_prediction", "v-prediction"):
        told["prediction_type"] = "v_prediction"
    if _MARKS[1] in header.shapes:
        told["rescale_betas_zero_snr"] = True
    return told
