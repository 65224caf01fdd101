import pytest
import tensorflow as tf
from synthseg_generator.errors import LabelError, StoreError
from synthseg_trainer.errors import OutageError, TrainerError
from synthseg_trainer.training.failures import made, named_failures


def _samples(fail):
    def elements():
        yield 1
        fail()

    return tf.data.Dataset.from_generator(elements, output_signature=tf.TensorSpec((), tf.int32))


def test_what_a_sample_says_is_what_a_run_says():
    def fail():
        raise ValueError("maps.zarr: map bob is broken.\nMore.")

    taken = []
    with pytest.raises(TrainerError) as error:
        taken.extend(made(_samples(fail)))
    assert str(error.value) == "a sample could not be made: maps.zarr: map bob is broken."


@pytest.mark.parametrize(("raised", "outage"), [(StoreError, True), (LabelError, False)])
def test_only_a_sample_that_can_be_made_later_is_an_outage(raised, outage):
    def fail():
        raise raised("maps.zarr: map bob cannot be read.")

    with pytest.raises(TrainerError, match=r"made: maps\.zarr: map bob cannot") as caught:
        list(made(_samples(fail)))
    assert isinstance(caught.value, OutageError) is outage


def test_batches_come_as_they_are():
    assert [int(k) for k in made(_samples(lambda: None))] == [1]


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
