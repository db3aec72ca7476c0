"""The stages of making the model, as the command line calls them."""

import argparse
from collections.abc import Callable

from pretrain.captions.tokenizer import train_tokenizer
from pretrain.drawing.pictures import draw_pictures
from pretrain.drawing.sheet import contact_sheet
from pretrain.judging.evaluate import evaluate, show
from pretrain.judging.judges import train_judges, train_reader
from pretrain.menagerie.judge import FEATURES, open_judge
from pretrain.menagerie.judging import train_judge
from pretrain.menagerie.lessons import open_lessons
from pretrain.menagerie.outside import OUTSIDE, draw_outside_pictures
from pretrain.training.export import export, reopen
from pretrain.training.latents import encode_pictures, judge_pictures
from pretrain.training.parallel import run_parallel
from pretrain.training.prior import SCENES, train_prior
from pretrain.training.text import train_text
from pretrain.training.trainer import Budget
from pretrain.training.unet import train_unet
from pretrain.training.unet.wording import begin_names
from pretrain.training.vae import train_vae
from pretrain.training.whitening import whiten_model
from pretrain.worlds import CRITTERS, WORLD_FILE, WORLDS, choose_world, world_of, world_of_model

Options = argparse.Namespace
HELD_OUT_PICTURES = 2000


def _budget(options: Options, minutes: float) -> Budget:
    if options.steps is not None:
        return Budget(steps=options.steps, anneal=options.anneal)
    return Budget(minutes=minutes if options.minutes is None else options.minutes, anneal=options.anneal)


def sheet(options: Options) -> None:
    """Write a contact sheet of drawings."""
    options.work.mkdir(parents=True, exist_ok=True)
    contact_sheet(options.work / "sheet.png", WORLDS[options.world], min(options.count, 96), options.split)


def draw(options: Options) -> None:
    """Draw the pictures to train with, and those held out."""
    choose_world(options.work, options.world)
    held_out = min(options.pictures, HELD_OUT_PICTURES)
    draw_pictures(options.work, "development", held_out, options.processes)
    draw_pictures(options.work, "test", held_out, options.processes)
    draw_pictures(options.work, "pretraining", options.pictures, options.processes)


def outside(options: Options) -> None:
    """Fetch drawings by others and draw them in scenes of the menagerie, one for fifteen of ours."""
    choose_world(options.work, "menagerie")
    draw_outside_pictures(options.work, options.pictures // 30 * 2)


def begin(options: Options) -> None:
    """Take up an exported model: put its parts where the other stages look for what was trained so far.

    Latents that were exported before they were made white are made so.
    """
    world = world_of_model(options.out).name
    if (options.work / WORLD_FILE).exists():
        choose_world(options.work, world)
    reopen(options.out, options.work)
    choose_world(options.work, world)
    whiten_model(options.work)


def tokenizer(options: Options) -> None:
    """Learn the pieces of words."""
    train_tokenizer(options.work)


def vae(options: Options) -> None:
    """Train the VAE."""
    run_parallel(train_vae, options.processes, options.work, _budget(options, 60), False, options.bfloat16)


def decoder(options: Options) -> None:
    """Train the VAE's decoder on, its latents left as they are."""
    run_parallel(train_vae, options.processes, options.work, _budget(options, 20), True, options.bfloat16)


def whiten(options: Options) -> None:
    """Make the VAE's latents vary alike, in fewer directions, and have a UNet of the former ones read them."""
    whiten_model(options.work)


def text(options: Options) -> None:
    """Train the text encoder on captions."""
    run_parallel(train_text, 1, options.work, _budget(options, 8))


def latents(options: Options) -> None:
    """Encode the pictures and captions."""
    outside = (OUTSIDE,) if (options.work / "outside").exists() else ()
    for split in ("development", "pretraining", *outside):
        encode_pictures(options.work, split, options.pictures, options.processes)


def judged(options: Options) -> None:
    """Write what judge A sees in the pictures, for the UNet to be aligned with; only the menagerie's can."""
    judge = open_judge("a", options.work / "judges" / "judge_a.safetensors")
    outside = (OUTSIDE,) if (options.work / "outside").exists() else ()
    for split in ("pretraining", *outside):
        judge_pictures(options.work, split, judge.features, FEATURES)


def names(options: Options) -> None:
    """Begin names as captions, unless there are any; `unet` would do it first."""
    begin_names(options.work)


def unet(options: Options) -> None:
    """Train the UNet."""
    budget, pairs = _budget(options, 180), max(1, 8 // options.processes)
    learns = (options.work, budget, options.rate, options.bfloat16, pairs)
    run_parallel(train_unet, options.processes, *learns, threads=options.threads)


def reader(options: Options) -> None:
    """Train what the tail prior sees with, as the judges are trained."""
    if world_of(options.work) is CRITTERS:
        run_parallel(train_reader, 1, options.work, _budget(options, 15))
        return
    _train_judge(options, "reader")


def _train_judge(options: Options, name: str) -> None:
    open_lessons(options.work, options.processes)  # drawn here, once for all processes
    budget, count = _budget(options, 60), options.processes
    run_parallel(train_judge, count, options.work, budget, name, options.bfloat16, count)


def prior(options: Options) -> None:
    """Train the tail prior on the finished backbone and reader."""
    individuals = options.pictures // SCENES
    budget = _budget(options, 15)
    run_parallel(train_prior, 1, options.work, budget, individuals, options.processes, options.bfloat16)


def judges(options: Options) -> None:
    """Train the two judges."""
    if world_of(options.work) is CRITTERS:
        train_judges(options.work, _budget(options, 15), options.processes)
        return
    for name in options.judge:
        _train_judge(options, name)


def write(options: Options) -> None:
    """Write the trained model as a pipeline folder."""
    export(options.work, options.out)


def measure(options: Options) -> None:
    """Measure a pipeline folder against the bars."""
    evaluate(options.out, options.work, options.count, options.split, options.processes)


def samples(options: Options) -> None:
    """Write a sheet of samples of the exported model."""
    show(options.out, options.work / "samples.png", options.split, world_of(options.work))


def everything(options: Options) -> None:
    """Run every stage from nothing to the exported model; stages that were finished are taken up, not repeated.

    The menagerie's judges come first, for its UNet is aligned with one. Drawings by others are taken in only if
    `outside` has fetched them before.
    """
    small = choose_world(options.work, options.world) is CRITTERS
    first = (latents,) if small else (judges, latents, judged)
    last = (judges, reader, prior) if small else (reader, prior)
    for stage in (draw, tokenizer, vae, whiten, text, *first, unet, decoder, *last, write, measure):
        print(f"== {stage.__name__}", flush=True)
        stage(options)


STAGES: dict[str, Callable[[Options], None]] = {
    "all": everything,
    "begin": begin,
    "decoder": decoder,
    "draw": draw,
    "evaluate": measure,
    "export": write,
    "judged": judged,
    "judges": judges,
    "latents": latents,
    "samples": samples,
    "names": names,
    "outside": outside,
    "prior": prior,
    "reader": reader,
    "sheet": sheet,
    "text": text,
    "tokenizer": tokenizer,
    "unet": unet,
    "vae": vae,
    "whiten": whiten,
}
