"""Every method on a tiny model: it lowers its own loss, moves only what it should, and repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.rivals.inversion import Speller, TextualInversion
from bench.rivals.method import Method, Stage, Subject, around, with_token
from bench.rivals.plain import Plain, Sdedit, Words
from bench.rivals.tails import Tail
from bench.rivals.weights.dreambooth import DreamBooth
from bench.rivals.weights.finetune import unet_of
from bench.rivals.weights.imagic import Imagic
from bench.rivals.weights.lora import Lora
from core.diffusion.conditioning import Conditioning
from core.models.recipes import FAST
from pretrain.drawing.pictures import to_bytes
from tests.bench.rivals.support import ASKS, fingerprint, loss_of, open_stage, shots

SHORT = {"steps": 3}
BRIEF = FAST.model_copy(update={"personalize": FAST.personalize.model_copy(update=SHORT)})
METHODS: dict[str, Method] = {
    "plain": Plain(),
    "words": Words(),
    "sdedit": Sdedit(strength=0.5),
    "fast": Tail(recipe=BRIEF),
    "inversion": TextualInversion(**SHORT),
    "dreambooth": DreamBooth(**SHORT, class_pictures=2),
    "lora": Lora(**SHORT),
    "imagic": Imagic(**SHORT, tuning_steps=2, start="source"),
    "imagic, by prompt": Imagic(**SHORT, tuning_steps=2),
}
everyone = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return open_stage(tmp_path_factory.mktemp("tiny"))


@everyone
def test_the_backbone_is_afterwards_what_it_was(stage: Stage, method: Method) -> None:
    before = fingerprint(stage)
    method.draw(stage, method.learn(stage, shots(stage), 1), ASKS)
    assert fingerprint(stage) == before
    assert not any(weight.requires_grad or weight.grad is not None for weight in unet_of(stage).parameters())


@everyone
def test_the_same_seed_gives_the_same_pictures_and_another_one_others(stage: Stage, method: Method) -> None:
    first, again = (method.learn(stage, shots(stage), 1) for _ in range(2))
    pictures = method.draw(stage, first, ASKS)
    assert pictures.shape == (2, stage.backbone.image_size, stage.backbone.image_size, 3)
    assert np.array_equal(pictures, method.draw(stage, again, ASKS))
    assert not np.array_equal(pictures, method.draw(stage, first, [replace(ask, seed=4) for ask in ASKS]))


@pytest.mark.parametrize("name", ["fast", "inversion", "dreambooth", "lora", "imagic"])
def test_what_was_learned_changes_the_picture(stage: Stage, name: str) -> None:
    plain = Plain().draw(stage, Subject(shots(stage)), ASKS)
    method = METHODS[name].shortened(10)
    if "learning_rate" in method.__dataclass_fields__:
        method = replace(method, learning_rate=0.05)  # type: ignore[call-arg]
    assert not np.array_equal(method.draw(stage, method.learn(stage, shots(stage), 1), ASKS), plain)


@pytest.mark.parametrize("name", ["fast", "inversion"])
def test_subjects_that_learn_together_learn_what_they_learn_alone(stage: Stage, name: str) -> None:
    several = [shots(stage, seed=seed) for seed in (1, 2, 3)]
    together = METHODS[name].learn_several(stage, several, [5, 6, 7])
    for subject, own, seed in zip(together, several, (5, 6, 7), strict=True):
        alone = METHODS[name].learn(stage, own, seed)
        for key, tensor in subject.kept.items():
            torch.testing.assert_close(tensor, alone.kept[key], rtol=1e-4, atol=1e-4)


def _inverted(stage: Stage, subject: Subject) -> Conditioning:
    return Conditioning(Speller(stage.backbone).encode("the dog", "dog", subject.kept["word"]))


def _with_token(stage: Stage, _: Subject) -> Conditioning:
    return stage.backbone.encode_prompt(["the sks dog"])[0]


def _optimized(_: Stage, subject: Subject) -> Conditioning:
    return Conditioning(subject.kept["embedding"])


@pytest.mark.parametrize(
    ("method", "text"),
    [
        (TextualInversion(steps=40, learning_rate=0.05), _inverted),
        (DreamBooth(steps=40, learning_rate=1e-3, prior_weight=0), _with_token),
        (DreamBooth(steps=40, learning_rate=1e-3, class_pictures=2), _with_token),
        (Lora(steps=60, learning_rate=1e-2), _with_token),
        (Imagic(steps=20, learning_rate=1e-2, tuning_steps=30, tuning_rate=1e-3, start="source"), _optimized),
    ],
    ids=["inversion", "dreambooth without prior", "dreambooth", "lora", "imagic"],
)
def test_learning_lowers_its_own_loss(
    stage: Stage, method: Method, text: Callable[[Stage, Subject], Conditioning]
) -> None:
    few, subject = (each.learn(stage, shots(stage), 1) for each in (method.shortened(1e-9), method))
    losses = []
    for learned in (few, subject):
        with method.applied(stage, learned):
            losses.append(loss_of(stage, text(stage, learned), learned))
    assert losses[1] < losses[0] - 1e-3


def test_subjects_of_one_noun_share_their_class_pictures(stage: Stage) -> None:
    for seed in (1, 2):
        DreamBooth(steps=1, class_pictures=2).learn(stage, shots(stage, 2, seed=seed), 0)
    assert [key for key in stage.shared if key.startswith("2 ")] == ["2 a dog"]


def test_a_words_gradient_is_the_loss_own(stage: Stage) -> None:
    """The gradient that the engine gives for the sequence, pulled back, is that of autograd through all of it."""
    subject = TextualInversion(steps=1, learning_rate=1e-3).learn(stage, shots(stage), 1)
    speller = Speller(stage.backbone)
    start = speller.vector_of("dog")
    moved = subject.kept["word"][0] - start
    # Adam's first step is the rate times the gradient's sign, wherever the gradient is more than nothing
    assert torch.allclose(moved.abs(), torch.full_like(moved, 1e-3), atol=1e-5)
    nudged = [loss_of(stage, _inverted(stage, replace(subject, kept={"word": (start + s * moved)[None]})), subject)
              for s in (-20, 20)]  # fmt: skip
    assert nudged[1] < nudged[0]


def test_a_word_that_is_the_nouns_own_vector_is_the_noun(stage: Stage) -> None:
    speller = Speller(stage.backbone)
    for prompt in ("the dog", "a dog sitting, 3"):
        [plain] = stage.backbone.encode_prompt([prompt])
        spelled = speller.encode(prompt, "dog", speller.vector_of("dog")[None])
        torch.testing.assert_close(spelled, plain.sequence)


def test_a_prompt_has_room_for_a_word_or_says_so(stage: Stage) -> None:
    speller = Speller(stage.backbone)
    assert speller.encode("a dog", "dog", torch.zeros(74, 32)).shape == (77, 32)
    with pytest.raises(ValueError, match="1 tokens too many"):
        speller.encode("a dog", "dog", torch.zeros(75, 32))


def test_the_noun_is_found_as_a_word_and_missed_loudly() -> None:
    assert around("a dogged dog on grass", "dog") == ("a dogged", "on grass")
    assert with_token("a standing dog", "dog", "sks") == "a standing sks dog"
    with pytest.raises(ValueError, match="no word 'cat'"):
        around("a dog", "cat")


def test_more_noise_leaves_less_of_the_picture(stage: Stage) -> None:
    mine = shots(stage)
    latents, _ = stage.backbone.encode_image(mine.sources[0].image[None])
    source = to_bytes(stage.backbone.decode_latents(latents))[0].astype(float)
    near, far = (
        Sdedit(strength=strength).draw(
            replace(stage, edit=stage.edit.model_copy(update={"num_inference_steps": 10})), Subject(mine), ASKS[:1]
        )[0]
        for strength in (0.1, 1.0)
    )
    assert np.abs(near - source).mean() < np.abs(far - source).mean()


def test_bytes_are_those_of_what_is_kept(stage: Stage) -> None:
    mine = shots(stage)
    assert Plain().learn(stage, mine, 0).bytes_kept == 0
    assert Sdedit().learn(stage, mine, 0).bytes_kept == 3 * stage.backbone.image_size**2
    assert METHODS["inversion"].learn(stage, mine, 0).bytes_kept == 2 * 32
    whole = sum(weight.numel() for weight in unet_of(stage).parameters())
    assert METHODS["dreambooth"].learn(stage, mine, 0).bytes_kept == 2 * whole
    assert 0 < METHODS["lora"].learn(stage, mine, 0).bytes_kept < whole / 5


def test_a_share_of_the_steps_is_one_of_every_kind() -> None:
    half = Imagic(steps=100, tuning_steps=40).shortened(0.5)
    assert (half.steps, half.tuning_steps) == (50, 20)
    assert Tail(recipe=BRIEF).shortened(1e-9).steps_in_all == 1
    assert Plain().shortened(0.5) == Plain()


def test_xl_is_told_to_have_no_single_word(tmp_path: Path) -> None:
    class Two:
        text_encoders = (1, 2)

    class Xl:
        _prompts = Two()

    with pytest.raises(ValueError, match="one text encoder"):
        Speller(Xl())  # type: ignore[arg-type]
