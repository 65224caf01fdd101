"""The training loop: generator and network in one step, on whatever devices there are.

Keras' `fit` fails under `MultiWorkerMirroredStrategy`, so the loop is ours: `strategy.run` with a
custom step.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_generator.samples import sample_dataset

from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.feed import Feed
from synthseg_trainer.progress import Interruption, RunLog
from synthseg_trainer.training import Training


def train(
    settings: TrainSettings,
    run: Path,
    *,
    resume: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    feed: Feed = sample_dataset,
) -> bool:
    """Trains a network from synthetic scans, to the last step or until a signal asks to stop.

    Args:
        settings: The run.
        run: Folder of checkpoints and logs; several workers share it.
        resume: Go on from the newest checkpoint in `run`, if there is one.
        strategy: The devices; by default the only one there is.
        feed: Where samples come from; by default this process.

    Returns:
        Whether the last step was done; false after SIGTERM or SIGINT, with the state saved.

    Raises:
        TrainerError: The loss is not finite, or the run cannot start.
        GeneratorError: The store cannot be read.
    """
    training = Training(settings, run, resume=resume, strategy=strategy, feed=feed)
    log = RunLog(run, training, settings)
    try:
        with Interruption() as interruption:
            stopped = False
            while training.step < settings.total_steps and not stopped:
                stopped = _train_stage(training, log, interruption)
            if stopped and training.step < settings.total_steps:
                training.save()
                log.say(f"interrupted at step {training.step}, saved in {run}")
                return False
        return True
    finally:
        log.close()


def _train_stage(training: Training, log: RunLog, interruption: Interruption) -> bool:
    """Trains to the end of the present stage; true if a worker was asked to stop before."""
    index, offset = training.settings.stage_at(training.step)
    stage = training.settings.stages[index]
    step, batches = training.make_step(stage), training.batches(stage)
    for position in range(offset, stage.steps):
        rate = stage.learning_rate_at(position)
        training.optimizer.learning_rate.assign(rate)
        # All workers learn at the same step that one was asked to stop, and leave together.
        asked = tf.constant(float(interruption.asked))
        loss, stop = (float(value) for value in step(next(batches), asked))
        _check_finite(training, loss)
        training.step += 1
        log.step(training.step, stage.name, loss, rate)
        _mark(training, log)
        if stop:
            return True
    return False


def _check_finite(training: Training, loss: float) -> None:
    if math.isfinite(loss):
        return
    batch, seed = training.settings.batch_size, training.settings.seed
    first = training.step * batch
    raise TrainerError(
        f"the loss of step {training.step} is {loss}; "
        f"samples {first} to {first + batch - 1} of seed {seed} caused it."
    )


def _mark(training: Training, log: RunLog) -> None:
    settings, last = training.settings, training.step == training.settings.total_steps
    if training.writes and (training.step % settings.validation.every_steps == 0 or last):
        scores = training.validate()
        if scores:
            mean = float(np.nanmean(list(scores.values())))
            each = {f"dice/{value}": score for value, score in scores.items()}
            log.scalars(training.step, {"dice/mean": mean, **each})
            log.say(f"step {training.step}: mean Dice on held-out maps {mean:.3f}")
    if training.step % settings.checkpoint_steps == 0 or last:
        training.save()
