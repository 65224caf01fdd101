import numpy as np
import pytest
import tensorflow as tf
from log_records import without_dask
from synthseg_generator.errors import SchedulerError, StoreError
from synthseg_trainer.errors import CheckpointError, ConfigError, OutageError, TrainerError
from synthseg_trainer.training.agreement import (
    _rows,
    check_agreement,
    check_failures,
    digest_of,
    exchange,
    failure_of,
    together,
)

FIRST = {"step": 1000, "settings": {"batch_size": 2, "store": "/a/maps.zarr"}}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"step": 0}, "step: 1000 -> 0"),
        ({"settings": {"batch_size": 4, "store": "/a/maps.zarr"}}, "settings.batch_size: 2 -> 4"),
    ],
)
def test_workers_that_would_begin_differently_are_refused(
    changed: dict[str, object], named: str
) -> None:
    with pytest.raises(CheckpointError, match=f"worker 2 .* from worker 0: {named}. .* share"):
        check_agreement([FIRST, FIRST, {**FIRST, **changed}])


def test_each_worker_may_have_its_own_place_for_the_same_maps() -> None:
    check_agreement([FIRST, {**FIRST, "settings": {"batch_size": 2, "store": "/b/maps.zarr"}}])


@pytest.mark.parametrize(
    ("error", "outage", "named"),
    [
        (ConfigError("seed is wrong."), False, "seed is wrong."),
        (StoreError("/maps.zarr is no label store."), False, "/maps.zarr is no label store."),
        (SchedulerError("none answers."), True, "none answers."),
        (ModuleNotFoundError("No module named 'dask'"), False, "No module named 'dask'"),
        (KeyError("a fault of ours"), True, "KeyError: 'a fault of ours'"),
    ],
)
def test_workers_fail_as_the_one_that_failed(error: Exception, outage: bool, named: str) -> None:
    with pytest.raises(TrainerError) as caught:
        check_failures([None, failure_of(error)])
    assert str(caught.value) == f"worker 1 cannot begin: {named}"
    assert isinstance(caught.value, OutageError) is outage


def test_a_process_alone_fails_with_its_own_error() -> None:
    def fail() -> None:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError, match="a fault of ours"):
        together(tf.distribute.get_strategy(), fail)


def test_other_values_have_another_digest() -> None:
    arrays = [np.zeros(3, np.float32), np.ones(2, np.float32)]
    assert digest_of(arrays) == digest_of([array.copy() for array in arrays])
    assert digest_of(arrays) != digest_of([arrays[0], np.nextafter(arrays[1], 2)])


def test_a_process_without_peers_hears_itself() -> None:
    assert exchange(tf.distribute.get_strategy(), {"step": 3}) == [{"step": 3}]


def test_many_exchanges_are_nothing_to_warn_of(caplog: pytest.LogCaptureFixture) -> None:
    devices = tf.distribute.OneDeviceStrategy("CPU:0")
    for number in range(8):
        assert _rows(devices, np.array([number, 5])).tolist() == [[number, 5]]
    assert not without_dask(caplog)
