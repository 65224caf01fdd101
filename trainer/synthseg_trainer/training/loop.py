"""The training loop: generator and network in one step, on whatever devices there are.

Keras' `fit` fails under `MultiWorkerMirroredStrategy`, so the loop is ours: `strategy.run` with a
custom step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from synthseg_trainer.config import Stage, TrainSettings
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.runs.best import BEST, digest_of_scans, keep_if_best
from synthseg_trainer.runs.checkpoints import checkpoint_folders, prepare_run
from synthseg_trainer.runs.mirror import Mirror
from synthseg_trainer.runs.progress import RunLog
from synthseg_trainer.signals import Interruption, SignalWatch
from synthseg_trainer.training.agreement import together
from synthseg_trainer.training.distribution import has_peers, peers_of
from synthseg_trainer.training.failures import lost_peers, named_failures
from synthseg_trainer.training.feed import Feed, local_feed
from synthseg_trainer.training.peers import spoken_wait
from synthseg_trainer.training.sources import BatchSource, Sources
from synthseg_trainer.training.state import Training
from synthseg_trainer.training.step import StepResult
from synthseg_trainer.training.supervised import sources_of


def train(
    settings: TrainSettings,
    run: Path,
    *,
    resume: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    feed: Feed = local_feed,
    sources: Sources | None = None,
    watch: SignalWatch | None = None,
    mirror: Mirror | None = None,
) -> bool:
    """Trains a network, to the last step or until a signal asks to stop.

    Args:
        settings: The run.
        run: Folder of checkpoints and logs; several workers share it.
        resume: Go on from the newest checkpoint in `run`, if there is one.
        strategy: The devices; by default the only one there is.
        feed: Who prepares samples; by default this process.
        sources: What the network learns from; by default what the settings say, from `feed`.
        watch: What else ends the process at a signal, to be told that the first one is the run's.
        mirror: Place of the run in object storage; `run` is then an empty folder to work in, which
            several workers do not share.

    Returns:
        Whether the last step was done; false after SIGTERM or SIGINT, with the state saved.

    Raises:
        TrainerError: The loss is not finite, the run cannot start, or cannot write its folder.
        GeneratorError: The store cannot be read.
    """
    strategy = strategy or tf.distribute.get_strategy()
    if sources is None:
        sources = together(strategy, lambda: sources_of(settings, feed))
    with lost_peers("the machines could not begin together", peers_of(strategy)):
        training = Training(
            settings, run, resume=resume, strategy=strategy, sources=sources, mirror=mirror
        )
    return run_training(training, watch)


def run_training(training: Training, watch: SignalWatch | None = None) -> bool:
    """Takes the steps of a run that are left; see `train`."""
    settings, run = training.settings, training.run
    together(training.strategy, lambda: prepare_run(run) if training.writes else None)
    log = RunLog(run, training, settings)
    try:
        finished = _take_steps(training, log, watch)
    finally:
        log.close()
    training.send_rest()
    return finished


def _take_steps(training: Training, log: RunLog, watch: SignalWatch | None) -> bool:
    settings = training.settings
    with Interruption(watch) as interruption:
        # What was saved at this step may have been stopped or killed before its score.
        with _together(training):
            _score_if_due(training, log)
        stopped = False
        while training.step < settings.total_steps and not stopped:
            stopped = _train_stage(training, log, interruption)
        if stopped and training.step < settings.total_steps:
            log.say(f"interrupted at step {training.step}, saved in {training.place}")
            return False
    return True


def _train_stage(training: Training, log: RunLog, interruption: Interruption) -> bool:
    """Trains to the end of the present stage; true if a worker was asked to stop before."""
    index, offset = training.settings.stage_at(training.step)
    stage = training.settings.stages[index]
    source = training.sources.of_stage(stage)
    step, batches = training.make_step(stage, source), training.batches(source)
    if offset == 0 and stage.fresh_optimizer:
        training.learner.forget_moments()
    for position in range(offset, stage.steps):
        rate = stage.learning_rate_at(position)
        training.learner.optimizer.learning_rate.assign(rate)
        # All workers learn at the same step that one was asked to stop, and leave together.
        with _together(training):
            result = step(next(batches), interruption.asked)
        check_health(training, stage, source, result)
        training.step += 1
        log.step(training.step, stage.name, result.loss, rate)
        with _together(training):
            _mark(training, log, stopping=result.stop)
        if result.stop:
            return True
    return False


@contextmanager
def _together(training: Training) -> Iterator[None]:
    """Around what needs the other machines: says that it lasts, and what ended it."""
    step, peers = training.step, peers_of(training.strategy)
    with named_failures(step, peers), spoken_wait(f"step {step}", peers):
        yield


def check_health(training: Training, stage: Stage, source: BatchSource, result: StepResult) -> None:
    """Stops at a loss or a gradient that is not finite.

    Raises:
        TrainerError: It is one; the message names its samples.
    """
    if result.healthy:
        return
    what = "gradient" if np.isfinite(result.loss) else "loss"
    if result.suspects:
        cause = "; ".join(source.describe(k, training.run) for k in result.suspects)
    else:
        cause = "a sample of another worker caused it"
    if result.suspects and has_peers(training.strategy) and _shares_statistics(training):
        size = training.settings.batch_size
        first = training.step * size
        cause += (
            "; or one of another machine, since batch normalisation shares its statistics and so "
            f"what is not finite: samples {first} to {first + size - 1} are the step's"
        )
    advice = ""
    if checkpoint_folders(training.run):
        advice = (
            " The last checkpoint is from before: a run with other settings can begin from it "
            "(--initial-weights)."
        )
    raise TrainerError(
        f"the {what} of step {training.step} (stage {stage.name}) is not finite: {cause}.{advice}"
    )


def _shares_statistics(training: Training) -> bool:
    return training.settings.network.normalization == "batch"


def _mark(training: Training, log: RunLog, *, stopping: bool) -> None:
    """Saves and scores the network where it is due.

    Whoever stops a run may kill it soon: it is saved first, and scored when it goes on.
    """
    last = training.step == training.settings.total_steps
    if stopping or last or training.step % training.settings.checkpoint_steps == 0:
        training.save()
    # Nobody goes on with a run that is at its end.
    if last or not stopping:
        _score_if_due(training, log)


def _score_if_due(training: Training, log: RunLog) -> None:
    """Scores the network on held-out scans, the same however often, and keeps the best."""
    settings, step = training.settings, training.step
    due = step == settings.total_steps or step % settings.validation.every_steps == 0
    if not training.writes or step == 0 or not due:
        return
    scores = training.validate()
    if scores is None:
        return
    log.validated(step, scores)
    digest = digest_of_scans(settings.validation)
    if keep_if_best(training.run, training.bundle(), scores.mean, digest=digest):
        training.send_rest()
        log.say(f"best so far, kept in {training.place} as {BEST}")
