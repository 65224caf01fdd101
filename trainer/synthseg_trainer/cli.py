"""The command `synthseg-trainer`: parse, call, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from synthseg_common.command_line import ErrorReportingGroup, UsageProblem
from synthseg_common.contract import MODEL_NAME
from synthseg_common.errors import TERMINATED
from synthseg_common.option_groups import argument, option, with_options

from synthseg_trainer.evaluation.commands import evaluate, validate
from synthseg_trainer.places import PLACE, Place
from synthseg_trainer.signals import SignalWatch, signals_end_it, signals_held
from synthseg_trainer.startup import prepare_tensorflow, quieten_tensorflow

if TYPE_CHECKING:
    from synthseg_trainer.config import TrainSettings


_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to train, where to, and with which processes."""

    config: Path = argument(type=_PATH)
    run: Place = option(
        "--run",
        required=True,
        type=PLACE,
        help="Folder of checkpoints and logs, or a URL of object storage (s3://bucket/run).",
    )
    store: str | None = option("--store", help="Label store to use instead of that of CONFIG.")
    initial_weights: str | None = option(
        "--initial-weights",
        help="Run, checkpoint, bundle (.npz) or Keras weights (.weights.h5) to start from; also "
        "the URL of a run or bundle.",
    )
    resume: bool = option(
        "--resume",
        is_flag=True,
        help="Go on from the newest checkpoint in the folder, if there is one.",
    )
    workers: int = option(
        "--workers",
        default=0,
        type=click.IntRange(min=0),
        help="Dask workers that prepare samples; 0: no Dask.",
    )
    scheduler: str | None = option(
        "--scheduler", help="Address of a running Dask scheduler (tcp://host:port)."
    )
    threads: int | None = option(
        "--threads", type=click.IntRange(min=1), help="CPU threads; all cores by default."
    )
    cpu_replicas: int = option(
        "--cpu-replicas",
        default=1,
        type=click.IntRange(min=1),
        help="Replicas on the CPU, to try out a distributed run.",
    )
    wait_minutes: float = option(
        "--wait-minutes",
        default=10.0,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True),
        help="How long to wait for other machines: those of TF_CONFIG, and Dask workers.",
    )


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """Which network to pack, where to, and what is told of it."""

    source: Place = argument(type=PLACE)
    output: Path = argument(type=_PATH)
    settings: Path | None = option(
        "--settings",
        type=_PATH,
        help="Settings that belong to weights from Keras; by default the JSON or YAML file beside "
        "them.",
    )
    name: str | None = option("--name", help="Name of the model; by default its name in SOURCE.")
    licence: str | None = option("--licence", help="Licence of the weights.")
    half: bool = option("--half", is_flag=True, help="Store weights as float16, in half the size.")


@click.group(cls=ErrorReportingGroup, extra="trainer")
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Trains segmentation networks on synthetic scans."""


@main.command()
@with_options(TrainOptions, "options")
def train(options: TrainOptions) -> None:
    """Trains the network of CONFIG, a YAML file or the name of a recipe (see `recipes`).

    Uses every GPU of the machine, and every machine that TF_CONFIG names.

    Exit codes: 143: interrupted by a signal and saved, run again with --resume; also 143 (SIGTERM)
    or 130 (Ctrl-C) if there was nothing to save yet, or after a second signal. 1: a disk, a host or
    another machine failed, and the same command may succeed later. 2: the settings or the options
    are wrong.
    """
    read = cache(partial(_read_settings, options))
    # A process alone tells of a mistake before it imports TensorFlow; one of several must tell the
    # others, who would wait for it.
    if not os.environ.get("TF_CONFIG"):
        read()
    with signals_end_it() as watch:
        finished = _train(read, options, watch)
    if not finished:
        sys.exit(TERMINATED)  # saved, whichever signal it was
    click.echo(f"Trained {read().total_steps} steps; checkpoints are in {options.run}/checkpoints.")


def _read_settings(options: TrainOptions) -> TrainSettings:
    from synthseg_trainer.config import load_settings

    settings = load_settings(options.config, store=options.store)
    if options.initial_weights is None:
        return settings
    return replace(settings, initial_weights=options.initial_weights)


def _train(
    read_settings: Callable[[], TrainSettings], options: TrainOptions, watch: SignalWatch
) -> bool:
    with signals_held():
        prepare_tensorflow(options.threads)
    from synthseg_trainer.runs.mirror import open_run
    from synthseg_trainer.training.distribution import choose_strategy
    from synthseg_trainer.training.loop import train as train_network
    from synthseg_trainer.training.preparation import prepared

    wait_s = 60 * options.wait_minutes
    strategy = choose_strategy(options.cpu_replicas, wait_s)
    ready = prepared(
        strategy, read_settings, workers=options.workers, scheduler=options.scheduler, wait_s=wait_s
    )
    with open_run(options.run) as (run, mirror), ready as (settings, feed):
        return train_network(
            settings,
            run,
            resume=options.resume,
            strategy=strategy,
            feed=feed,
            watch=watch,
            mirror=mirror,
        )


@main.command()
@with_options(PackOptions, "options")
def pack(options: PackOptions) -> None:
    """Packs the network of SOURCE into one file, OUTPUT.npz.

    SOURCE is a run, a checkpoint, a bundle (.npz), the URL of a run or bundle in object storage, or
    weights that Keras saved on any backend (.weights.h5). OUTPUT may also end in .weights.h5: it is
    then written in the format of Keras, with its settings in OUTPUT.json beside it.
    """
    quieten_tensorflow()
    from synthseg_trainer.network.bundle import save_bundle
    from synthseg_trainer.network.exchange import is_keras_weights, write_keras_weights
    from synthseg_trainer.runs.networks import load_network

    output, name, licence = options.output, options.name, options.licence
    for_keras = is_keras_weights(output)
    if not for_keras and output.suffix != ".npz":
        raise UsageProblem(f"OUTPUT must end in .npz or .weights.h5, got {output}.")
    if for_keras and options.half:
        raise UsageProblem("--half is for OUTPUT.npz: Keras would not find its float32 weights.")
    bundle = load_network(options.source, options.settings)
    info = {**bundle.info, "name": name or bundle.info.get("name") or MODEL_NAME}
    packed = replace(bundle, info={**info, **({"licence": licence} if licence else {})})
    if for_keras:
        write_keras_weights(output, packed)
    else:
        save_bundle(output, packed, "float16" if options.half else "float32")
    click.echo(f"Wrote {output}, {output.stat().st_size / 1e6:.1f} MB.")


main.add_command(evaluate)
main.add_command(validate)


@main.command()
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """Lists the settings that ship with the package, or prints those called NAME."""
    from synthseg_trainer.config import recipe_names
    from synthseg_trainer.config.reader import recipe_path

    known = recipe_names()
    if name is None:
        click.echo("\n".join(known))
        return
    if name not in known:
        raise UsageProblem(f"{name} is no recipe; recipes are {', '.join(known)}.")
    click.echo(recipe_path(name).read_text(encoding="utf-8"), nl=False)
