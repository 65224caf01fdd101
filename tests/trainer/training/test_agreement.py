import numpy as np
import pytest
import tensorflow as tf
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.training.agreement import check_agreement, digest_of, exchange

FIRST = {"step": 1000, "settings": {"batch_size": 2, "store": "/a/maps.zarr"}}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"step": 0}, "step: 1000 -> 0"),
        ({"settings": {"batch_size": 4, "store": "/a/maps.zarr"}}, "settings.batch_size: 2 -> 4"),
    ],
)
def test_workers_that_would_begin_differently_are_refused(changed, named):
    with pytest.raises(CheckpointError, match=f"worker 2 .* than worker 0: {named}. .* share"):
        check_agreement([FIRST, FIRST, {**FIRST, **changed}])


def test_each_worker_may_have_its_own_place_for_the_same_maps():
    check_agreement([FIRST, {**FIRST, "settings": {"batch_size": 2, "store": "/b/maps.zarr"}}])


def test_other_values_have_another_digest():
    arrays = [np.zeros(3, np.float32), np.ones(2, np.float32)]
    assert digest_of(arrays) == digest_of([array.copy() for array in arrays])
    assert digest_of(arrays) != digest_of([arrays[0], np.nextafter(arrays[1], 2)])


def test_a_process_without_peers_hears_itself():
    assert exchange(tf.distribute.get_strategy(), {"step": 3}) == [{"step": 3}]
