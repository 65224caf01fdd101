import pytest
import tensorflow as tf
from synthseg_generator.element_errors import remembered
from synthseg_generator.errors import LabelError, SchedulerError, StoreError
from synthseg_trainer.errors import OutageError, TrainerError
from synthseg_trainer.training.failures import made, named_failures


def _samples(error):
    def elements():
        yield 1
        if error is not None:
            raise error

    signature = tf.TensorSpec((), tf.int32)
    return tf.data.Dataset.from_generator(remembered(elements), output_signature=signature)


def _store_error(cause=None):
    error = StoreError("maps.zarr: map bob cannot be read.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (_store_error(), False),
        (_store_error(ConnectionResetError("by peer")), True),
        (LabelError("maps.zarr: map bob cannot be read."), False),
        (SchedulerError("maps.zarr: map bob cannot be read."), True),
    ],
)
def test_a_run_says_what_a_sample_said_and_is_an_outage_where_that_is_one(error, outage):
    with pytest.raises(TrainerError) as caught:
        list(made(_samples(error)))
    assert str(caught.value) == "a sample could not be made: maps.zarr: map bob cannot be read."
    assert isinstance(caught.value, OutageError) is outage


@pytest.mark.parametrize("error", [KeyError("row"), TypeError("no rows"), ValueError("shapes\nx")])
def test_a_fault_of_the_program_in_a_sample_keeps_its_traceback(error):
    with pytest.raises(type(error)) as caught:
        list(made(_samples(error)))
    assert caught.value is error
    assert caught.traceback[-1].name == "elements"


def test_a_sample_that_memory_does_not_hold_is_no_outage():
    with pytest.raises(TrainerError, match="more memory than there is: 9 GB") as caught:
        list(made(_samples(MemoryError("9 GB"))))
    assert not isinstance(caught.value, OutageError)


def test_batches_come_as_they_are():
    assert [int(k) for k in made(_samples(None))] == [1]


@pytest.mark.parametrize(
    ("raised", "said", "outage"),
    [
        (tf.errors.ResourceExhaustedError, "step 7 needs more memory .*: here", False),
        (tf.errors.UnavailableError, "another worker is lost: here", True),
    ],
)
def test_a_step_that_cannot_be_done_says_why(raised, said, outage):
    with pytest.raises(TrainerError, match=said) as caught, named_failures(7):
        raise raised(None, None, "here")
    assert isinstance(caught.value, OutageError) is outage


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(tf.errors.InvalidArgumentError), named_failures(7):
        raise tf.errors.InvalidArgumentError(None, None, "shapes")
