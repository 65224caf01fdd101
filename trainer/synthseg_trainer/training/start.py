"""The weights that a run begins with."""

from __future__ import annotations

from collections.abc import Iterator

from synthseg_common.labels import SegmentationLabels
from synthseg_generator.feed.samples import Shard

from synthseg_trainer.aliases import Tensor
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import assign_weights, weights_of
from synthseg_trainer.places import Place
from synthseg_trainer.runs.initial import COUNTED_SAMPLES, bias_of_label_sizes, initial_weights
from synthseg_trainer.training.failures import made
from synthseg_trainer.training.learner import Learner
from synthseg_trainer.training.sources import BatchSource


def start_from_label_sizes(learner: Learner, network: NetworkSettings, source: BatchSource) -> None:
    """Starts the last layer at how often labels are, see `bias_of_label_sizes`.

    Raises:
        TrainerError: A sample cannot be made.
    """

    def targets() -> Iterator[Tensor]:
        for batch in made(source.dataset(Shard(count=COUNTED_SAMPLES)).batch(1)):
            _, target = source.render(batch)
            yield target

    learner.head.bias.assign(bias_of_label_sizes(targets(), network))


def start_from_network(
    learner: Learner, network: NetworkSettings, labels: SegmentationLabels, path: Place
) -> None:
    """Starts at the weights of another network, see `initial_weights`.

    Raises:
        CheckpointError: There is none, or the network is another.
    """
    own = weights_of(learner.model)
    assign_weights(learner.model, initial_weights(own, network, labels, path))
