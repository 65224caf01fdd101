"""Who prepares the samples of a run."""

from pathlib import Path

import numpy as np
from synthseg_generator.feed.samples import SampleSource, Shard
from synthseg_generator.store.label_store import open_store
from synthseg_trainer.config import load_settings
from synthseg_trainer.training.feed import open_feed


def test_dask_workers_feed_the_samples_that_this_process_would_make(run_config: Path) -> None:
    settings = load_settings(run_config)
    source = SampleSource(open_store(settings.store), settings.stages[0].generator, settings.seed)
    with open_feed(workers=1) as feed:
        fed = list(feed(source, Shard(count=3)))
    for k, element in enumerate(fed):
        row = source.parameters(k).to_row()
        assert int(element["k"]) == k
        # Boxes differ in size, what is fed does not: all steps share a graph.
        assert element["labels"].shape == source.map_shape
        for name, value in row.items():
            np.testing.assert_array_equal(element["row"][name], value)
