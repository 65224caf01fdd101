"""A run whose every step is written down; as a program it is one worker of several.

python recorded_run.py '{"config": ..., "run": ..., "record": ..., "replicas": 2,
                         "scheduler": ..., "stop_after": 3}'
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np


def record_run(settings, run, record, *, strategy=None, feed=None, stop_after=None):
    """Trains, and writes losses, samples and weights of all replicas of this process.

    Args:
        settings: The run.
        run: Its folder.
        record: File to write, `.npz`.
        strategy: The devices.
        feed: Who prepares the samples.
        stop_after: Steps after which this process sends itself SIGTERM.

    Returns:
        Whether the last step was done.
    """
    from synthseg_generator.samples import sample_dataset
    from synthseg_trainer.training.loop import run_training
    from synthseg_trainer.training.sources import SyntheticSources
    from synthseg_trainer.training.state import Training

    losses, samples = [], []

    class Recorded(Training):
        def make_step(self, stage, source):
            step = super().make_step(stage, source)

            def recorded(batch, asked):
                result = step(batch, asked)
                losses.append(result.loss)
                samples.append(sorted(result.samples))
                if len(losses) == stop_after:
                    os.kill(os.getpid(), signal.SIGTERM)
                return result

            return recorded

    sources = SyntheticSources(settings, feed or sample_dataset)
    training = Recorded(settings, run, strategy=strategy, sources=sources)
    finished = run_training(training)
    weights = {
        f"{layer.name}/{variable.name}": np.stack(
            [v.numpy() for v in training.strategy.experimental_local_results(variable.value)]
        )
        for layer in training.learner.model.layers
        for variable in layer.weights
    }
    np.savez(record, losses=np.array(losses), samples=np.array(samples), **weights)
    return finished


def main(text):
    options = json.loads(text)
    from synthseg_trainer.config import load_settings
    from synthseg_trainer.training.distribution import choose_strategy
    from synthseg_trainer.training.feed import open_feed

    strategy = choose_strategy(options.get("replicas", 1))
    with open_feed(scheduler=options.get("scheduler")) as feed:
        finished = record_run(
            load_settings(Path(options["config"])),
            Path(options["run"]),
            options["record"],
            strategy=strategy,
            feed=feed,
            stop_after=options.get("stop_after"),
        )
    sys.exit(0 if finished else 143)


if __name__ == "__main__":
    main(sys.argv[1])
