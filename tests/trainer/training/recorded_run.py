"""A run whose every step is written down; as a program it is one worker of several.

python recorded_run.py '{"config": ..., "run": ..., "record": ..., "replicas": 2,
                         "scheduler": ..., "stops": [2, null], "attempts": [{...}]}'
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from synthseg_common.arrays import AnyArray
from synthseg_generator.feed.samples import make_sample_dataset
from synthseg_trainer.aliases import Batch, JsonObject
from synthseg_trainer.config import Stage, TrainSettings, load_settings
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.training.distribution import choose_strategy
from synthseg_trainer.training.feed import Feed
from synthseg_trainer.training.held_out import HeldOutScores
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.loop import run_training
from synthseg_trainer.training.preparation import prepared
from synthseg_trainer.training.sources import BatchSource, SyntheticSources
from synthseg_trainer.training.state import Training
from synthseg_trainer.training.step import StepResult, TrainStep


@dataclass(frozen=True)
class Notes:
    """What is written down of each step, and of each score."""

    losses: list[float] = field(default_factory=list)
    samples: list[list[int]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


def record_run(
    options: JsonObject,
    *,
    strategy: tf.distribute.Strategy | None = None,
    feed: Feed | None = None,
) -> bool:
    """Trains, and writes losses, scores, samples and the weights of all replicas of this process.

    Args:
        options: `config`, `run` and `record`, which names the `.npz` to write. `stops` are the
            steps after which this process sends itself SIGTERM, `None` for not at all: the run goes
            on as often as there are any. `order` is that of the samples within a batch;
            `attempts`, with which it must not begin, are a `config` each, or a `run` and perhaps
            `initial_weights`.
        strategy: The devices.
        feed: Who prepares the samples.

    Returns:
        Whether the last step was done.
    """
    settings = load_settings(Path(options["config"]))
    sources = SyntheticSources(settings, feed or make_sample_dataset)
    notes = Notes()
    for stop in options.get("stops", [None]):
        training = Recorded(
            notes,
            options.get("order"),
            stop,
            settings=settings,
            run=Path(options["run"]),
            resume=True,
            strategy=strategy,
            sources=sources,
        )
        finished = run_training(training)
    attempts = options.get("attempts", [])
    noted: dict[str, Any] = dataclasses.asdict(notes)
    noted["refusals"] = [_refusal(settings, strategy, **attempt) for attempt in attempts]
    if strategy is not None and options.get("replicas", 1) > 1:
        noted["overflow"] = _overflow_on_one_replica(settings, strategy)
    np.savez(options["record"], **noted | _weights(training))
    return finished


class Recorded(Training):
    """A run that writes down what it does.

    Args:
        notes: Where to.
        order: Of the samples within a batch.
        stop_after: The step after which this process sends itself SIGTERM.
        options: As `Training` takes them.
    """

    def __init__(
        self, notes: Notes, order: list[int] | None, stop_after: int | None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.notes = notes
        self.order = order
        self.stop_after = stop_after

    def make_step(self, stage: Stage, source: BatchSource) -> TrainStep:
        return RecordedStep(self, stage, source)

    def validate(self) -> HeldOutScores | None:
        scores = super().validate()
        assert scores is not None
        self.notes.scores.append(scores.mean)
        return scores


class RecordedStep(TrainStep):
    """A step whose loss and samples are written down."""

    def __init__(self, run: Recorded, stage: Stage, source: BatchSource) -> None:
        super().__init__(run.settings, stage, source, run.learner)
        self._run = run

    def __call__(self, batch: Batch, asked: bool = False) -> StepResult:
        run = self._run
        if run.order is not None:
            batch = tf.nest.map_structure(lambda value: tf.gather(value, run.order), batch)
        result = super().__call__(batch, asked)
        run.notes.losses.append(result.loss)
        run.notes.samples.append(sorted(result.samples))
        if run.step + 1 == run.stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return result


def _weights(training: Training) -> dict[str, AnyArray]:
    """Arrays `[replica, ...]` of the network, and `[1, ...]` of the average."""
    learner = training.learner
    average = {f"average/{name}": value[None] for name, value in learner.weights().items()}
    return average | {
        f"{layer.name}/{variable.name}": _of_replicas(learner, variable)
        for layer in learner.model.layers
        for variable in layer.weights
    }


def _of_replicas(learner: Learner, variable: keras.Variable) -> AnyArray:
    local = learner.strategy.experimental_local_results(variable.value)
    return np.stack([value.numpy() for value in local])


def _refusal(
    settings: TrainSettings,
    strategy: tf.distribute.Strategy | None,
    *,
    config: str | None = None,
    run: str = "",
    initial_weights: str | None = None,
) -> str:
    try:
        if config is not None:
            with _prepared(strategy, config):
                return ""
        changed = dataclasses.replace(settings, initial_weights=initial_weights)
        Training(changed, Path(run), resume=True, strategy=strategy)
    except TrainerError as error:
        return str(error)
    return ""


def _prepared(
    strategy: tf.distribute.Strategy | None, config: str, scheduler: str | None = None
) -> AbstractContextManager[tuple[TrainSettings, Feed]]:
    return prepared(strategy, lambda: load_settings(Path(config)), scheduler=scheduler)


def _overflow_on_one_replica(settings: TrainSettings, strategy: tf.distribute.Strategy) -> AnyArray:
    """The last layer on all replicas: at first, after an overflow on the last, and one step on."""
    learner = Learner(dataclasses.replace(settings, precision="mixed_float16"), strategy)

    def step(last: tf.Tensor) -> None:
        def apply() -> None:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            own = tf.where(number == strategy.num_replicas_in_sync - 1, last, 1.0)
            learner.apply([tf.fill(variable.shape, own) for variable in learner.variables])

        strategy.run(apply)

    compiled = tf.function(step, autograph=False)
    kernels = [_of_replicas(learner, learner.head.kernel)]
    for last in (np.inf, 1.0):
        compiled(tf.constant(last, tf.float32))
        kernels.append(_of_replicas(learner, learner.head.kernel))
    return np.stack(kernels)


def main(text: str) -> None:
    options = json.loads(text)
    strategy = choose_strategy(options.get("replicas", 1))
    with _prepared(strategy, options["config"], options.get("scheduler")) as (_, feed):
        finished = record_run(options, strategy=strategy, feed=feed)
    sys.exit(0 if finished else 143)


if __name__ == "__main__":
    main(sys.argv[1])
