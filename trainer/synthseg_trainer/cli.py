"""The command `synthseg-trainer`: parse, call, report."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from synthseg_generator.errors import GeneratorError

from synthseg_trainer.errors import TrainerError

INTERRUPTED = 143
"""Exit code of a run that a signal ended and that is saved."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Trains segmentation networks on synthetic scans."""


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--run", required=True, type=click.Path(path_type=Path), help="Folder of checkpoints and logs."
)
@click.option("--store", help="Label store, over that of CONFIG.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the newest checkpoint in the folder, if there is one.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all cores by default.")
def train(config: Path, run: Path, store: str | None, resume: bool, threads: int | None) -> None:
    """Trains the network of CONFIG, a YAML file or the name of a recipe (see `recipes`).

    Exit code 143: interrupted by a signal, saved; run again with --resume.
    """
    from synthseg_trainer.config import load_settings

    try:
        settings = load_settings(config, store=store)
        _prepare_tensorflow(threads)
        from synthseg_trainer.loop import train as train_network

        finished = train_network(settings, run, resume=resume)
    except (TrainerError, GeneratorError) as error:
        raise click.UsageError(str(error)) from error
    if not finished:
        sys.exit(INTERRUPTED)
    click.echo(f"Trained {settings.total_steps} steps; checkpoints are in {run / 'checkpoints'}.")


@main.command()
def recipes() -> None:
    """Lists the settings that ship with the package."""
    from synthseg_trainer.config import recipe_names

    for name in recipe_names():
        click.echo(name)


def _prepare_tensorflow(threads: int | None) -> None:
    # Off by default on many CPUs, and 2 to 4 times faster there.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
