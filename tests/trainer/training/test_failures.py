import socket
from collections.abc import Iterator

import pytest
import tensorflow as tf
from synthseg_generator.errors import LabelError, SchedulerError, StoreError
from synthseg_generator.feed.element_errors import remember_errors
from synthseg_trainer.errors import OutageError, TrainerError
from synthseg_trainer.training.failures import made, named_failures
from synthseg_trainer.training.peers import Peer


def _samples(error: Exception | None) -> tf.data.Dataset:
    def elements() -> Iterator[int]:
        yield 1
        if error is not None:
            raise error

    signature = tf.TensorSpec((), tf.int32)
    return tf.data.Dataset.from_generator(remember_errors(elements), output_signature=signature)


def _store_error(cause: Exception | None = None) -> StoreError:
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
def test_a_run_says_what_a_sample_said_and_is_an_outage_where_that_is_one(
    error: Exception, outage: bool
) -> None:
    with pytest.raises(TrainerError) as caught:
        list(made(_samples(error)))
    assert str(caught.value) == "a sample could not be made: maps.zarr: map bob cannot be read."
    assert isinstance(caught.value, OutageError) is outage


@pytest.mark.parametrize("error", [KeyError("row"), TypeError("no rows"), ValueError("shapes\nx")])
def test_a_fault_of_the_program_in_a_sample_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        list(made(_samples(error)))
    assert caught.value is error
    assert caught.traceback[-1].name == "elements"


def test_a_sample_that_memory_does_not_hold_is_no_outage() -> None:
    with pytest.raises(TrainerError, match="more memory than there is: 9 GB") as caught:
        list(made(_samples(MemoryError("9 GB"))))
    assert not isinstance(caught.value, OutageError)


def test_batches_come_as_they_are() -> None:
    assert [int(k) for k in made(_samples(None))] == [1]


def test_a_step_that_memory_does_not_hold_says_so() -> None:
    with (
        pytest.raises(TrainerError, match=r"step 7 needs more memory .*: here") as caught,
        named_failures(7),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, "here")
    assert not isinstance(caught.value, OutageError)


# As TensorFlow said when a worker was killed, and when the leader was; with where it stood.
BY_HEARTBEAT = (
    "Graph execution error:\n\nDetected at node CollectiveReduceV2 defined at (most recent call "
    'last):\n  File "/x/loop.py", line 94, in _train_stage\n\n<stack traces unavailable>\n'
    "Collective ops is aborted by: Error reported from /job:worker/task:1: The following tasks are "
    "unhealthy (stopped sending heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed."
    "\n\t [[{{node CollectiveReduceV2}}]] [Op:__inference_<lambda>_31]"
)
BY_SOCKET = (
    "{{function_node __inference_<lambda>_31}} Collective ops is aborted by: Socket closed\n"
    "Additional GRPC error information from remote target /job:worker/replica:0/task:0 while "
    "calling /tensorflow.WorkerService/RecvBuf:\n:UNKNOWN:Error received from peer"
)


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    """A machine that answers and one that does not."""
    with socket.create_server(("127.0.0.1", 0)) as answers:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            ports = [server.getsockname()[1] for server in (answers, gone)]
        yield [Peer(f"worker {i}", "127.0.0.1", port) for i, port in enumerate(ports)]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            BY_HEARTBEAT,
            "Unavailable, Collective ops is aborted by: Error reported from /job:worker/task:1: "
            "The following tasks are unhealthy (stopped sending heartbeats): "
            "/job:worker/replica:0/task:1",
        ),
        (
            BY_SOCKET,
            "Unavailable, Collective ops is aborted by: Socket closed Additional GRPC error "
            "information from remote target /job:worker/replica:0/task:0 while calling "
            "/tensorflow.WorkerService/RecvBuf",
        ),
    ],
)
def test_a_lost_machine_is_named_with_what_tensorflow_says(
    peers: list[Peer], message: str, said: str
) -> None:
    with pytest.raises(OutageError) as caught, named_failures(25, peers):
        raise tf.errors.UnavailableError(None, None, message)
    assert str(caught.value) == (
        f"step 25 could not be done: worker 1 (127.0.0.1:{peers[1].port}: nothing listens there) "
        f"is lost. TensorFlow says: {said}. Start all of them again with --resume."
    )


def test_a_machine_that_was_lost_and_is_back_is_sought_in_the_logs(peers: list[Peer]) -> None:
    with (
        pytest.raises(OutageError, match=r"lost, though worker 0 \(.*their own last lines say"),
        named_failures(25, peers[:1]),
    ):
        raise tf.errors.AbortedError(None, None, BY_SOCKET)


def test_whatever_error_a_machine_that_is_gone_leaves_is_its_loss(peers: list[Peer]) -> None:
    """As NCCL's are."""
    with (
        pytest.raises(OutageError, match=r"worker 1 .* is lost\. TensorFlow says: Internal, NCCL"),
        named_failures(25, peers),
    ):
        raise tf.errors.InternalError(None, None, "NCCL: unhandled system error")


def test_an_outage_of_a_machine_alone_is_one() -> None:
    with (
        pytest.raises(OutageError, match=r"^step 7 could not be done: Unavailable, a disk\. "),
        named_failures(7),
    ):
        raise tf.errors.UnavailableError(None, None, "a disk")


@pytest.mark.parametrize("kind", [tf.errors.InvalidArgumentError, tf.errors.InternalError])
def test_a_fault_of_the_program_keeps_its_traceback(
    peers: list[Peer], kind: type[Exception]
) -> None:
    with pytest.raises(kind), named_failures(7, peers[:1]):
        raise kind(None, None, "shapes")
