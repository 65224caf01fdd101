"""A run whose every step is written down; as a program it is one worker of several.

python recorded_run.py '{"config": ..., "run": ..., "record": ..., "replicas": 2,
                         "scheduler": ..., "stops": [2, null], "attempts": [{...}]}'
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np


def record_run(options, *, strategy=None, feed=None):
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
    from synthseg_generator.feed.samples import make_sample_dataset
    from synthseg_trainer.config import load_settings
    from synthseg_trainer.training.loop import run_training
    from synthseg_trainer.training.sources import SyntheticSources

    settings = load_settings(Path(options["config"]))
    sources = SyntheticSources(settings, feed or make_sample_dataset)
    notes = {"losses": [], "samples": [], "scores": []}
    recorded = _recorded(notes, options.get("order"))
    for stop in options.get("stops", [None]):
        training = recorded(
            settings, Path(options["run"]), resume=True, strategy=strategy, sources=sources
        )
        training.stop_after = stop
        finished = run_training(training)
    attempts = options.get("attempts", [])
    notes["refusals"] = [_refusal(settings, strategy, **attempt) for attempt in attempts]
    if options.get("replicas", 1) > 1:
        notes |= _overflow_on_one_replica(settings, strategy)
    np.savez(options["record"], **notes, **_weights(training))
    return finished


def _recorded(notes, order):
    import tensorflow as tf
    from synthseg_trainer.training.state import Training

    class Recorded(Training):
        def make_step(self, stage, source):
            step = super().make_step(stage, source)

            def recorded(batch, asked):
                if order is not None:
                    batch = tf.nest.map_structure(lambda value: tf.gather(value, order), batch)
                result = step(batch, asked)
                notes["losses"].append(result.loss)
                notes["samples"].append(sorted(result.samples))
                if self.step + 1 == self.stop_after:
                    os.kill(os.getpid(), signal.SIGTERM)
                return result

            return recorded

        def validate(self):
            scores = super().validate()
            notes["scores"].append(scores.mean)
            return scores

    return Recorded


def _weights(training):
    """Arrays `[replica, ...]` of the network, and `[1, ...]` of the average."""
    learner = training.learner
    average = {f"average/{name}": value[None] for name, value in learner.weights().items()}
    return average | {
        f"{layer.name}/{variable.name}": _of_replicas(learner, variable)
        for layer in learner.model.layers
        for variable in layer.weights
    }


def _of_replicas(learner, variable):
    local = learner.strategy.experimental_local_results(variable.value)
    return np.stack([value.numpy() for value in local])


def _refusal(settings, strategy, *, config=None, run=None, initial_weights=None):
    from synthseg_trainer.errors import TrainerError
    from synthseg_trainer.training.state import Training

    try:
        if config is not None:
            with _prepared(strategy, config):
                return ""
        changed = dataclasses.replace(settings, initial_weights=initial_weights)
        Training(changed, Path(run), resume=True, strategy=strategy)
    except TrainerError as error:
        return str(error)
    return ""


def _prepared(strategy, config, scheduler=None):
    from synthseg_trainer.config import load_settings
    from synthseg_trainer.training.preparation import prepared

    return prepared(strategy, lambda: load_settings(Path(config)), scheduler=scheduler)


def _overflow_on_one_replica(settings, strategy):
    """The last layer on all replicas: at first, after an overflow on the last, and one step on."""
    import tensorflow as tf
    from synthseg_trainer.training.learner import Learner

    learner = Learner(dataclasses.replace(settings, precision="mixed_float16"), strategy)

    @tf.function(autograph=False)
    def step(last):
        def apply():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            own = tf.where(number == strategy.num_replicas_in_sync - 1, last, 1.0)
            learner.apply([tf.fill(variable.shape, own) for variable in learner.variables])

        strategy.run(apply)

    kernels = [_of_replicas(learner, learner.head.kernel)]
    for last in (np.inf, 1.0):
        step(tf.constant(last, tf.float32))
        kernels.append(_of_replicas(learner, learner.head.kernel))
    return {"overflow": np.stack(kernels)}


def main(text):
    options = json.loads(text)
    from synthseg_trainer.training.distribution import choose_strategy

    strategy = choose_strategy(options.get("replicas", 1))
    with _prepared(strategy, options["config"], options.get("scheduler")) as (_, feed):
        finished = record_run(options, strategy=strategy, feed=feed)
    sys.exit(0 if finished else 143)


if __name__ == "__main__":
    main(sys.argv[1])
