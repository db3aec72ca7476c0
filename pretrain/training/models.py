"""The classes of diffusers and transformers that the trainings use."""

from typing import Any, TypeAlias

import diffusers
import transformers

# Their own type information is too patchy for strict checks: some methods are missing from it, some lack types.
Vae: TypeAlias = Any  # an AutoencoderKL
Unet: TypeAlias = Any  # a UNet2DConditionModel
TextEncoder: TypeAlias = Any  # a CLIPTextModel
Tokenizer: TypeAlias = Any  # a CLIPTokenizer
Scheduler: TypeAlias = Any  # a DDIMScheduler

AutoencoderKL: Any = diffusers.AutoencoderKL
UNet2DConditionModel: Any = diffusers.UNet2DConditionModel
DDIMScheduler: Any = diffusers.DDIMScheduler
StableDiffusionPipeline: Any = diffusers.StableDiffusionPipeline
CLIPTextModel: Any = transformers.CLIPTextModel
CLIPTextConfig: Any = transformers.CLIPTextConfig
CLIPTokenizer: Any = transformers.CLIPTokenizer
