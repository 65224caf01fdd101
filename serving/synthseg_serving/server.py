"""The embedded server: TF Serving's services around a session, for laptops and tests."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import tensorflow as tf
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from synthseg_common.memory import MemoryLimit, memory_limit, used_bytes
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from synthseg_serving.activity import Activity
from synthseg_serving.admission import Admission
from synthseg_serving.budget import LARGEST_MESSAGE_BYTES, Room
from synthseg_serving.credentials import Tls, server_credentials
from synthseg_serving.errors import CallError, ModelError, StartError
from synthseg_serving.malformed import MalformedRequests
from synthseg_serving.manager import ModelManager
from synthseg_serving.model_service import ModelService
from synthseg_serving.on_demand import OnDemandManager
from synthseg_serving.poller import Poller
from synthseg_serving.prediction import AnswerLimits, PredictionService
from synthseg_serving.versions import ModelConfig
from synthseg_serving.watching.watch import Watch

log = logging.getLogger(__name__)

DEFAULT_ADDRESS = "localhost:8500"
UNIX = "unix:"
_HEALTH_NAMES = ("", "ModelService", "PredictionService")
_LARGEST_PORT = 65535
_PROBE_S = 1.0
_SPARE_THREADS = 8
"""For status, health and label tables beside predictions."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How to serve.

    Attributes:
        addresses: `host:port` (port 0 takes a free one) or `unix:/path`.
        threads: Cores for one computation.
        waiting: Requests that may wait while others compute; more are refused.
        at_once: Requests that may compute at the same time, where memory holds them.
        poll_s: Seconds between looks for new versions; 0 looks once.
        packed: Tensors as raw bytes rather than one field per value.
        largest_answer_bytes: Answers above are refused.
        labels_for_unavailable: Accept a new label for a version that is not loaded.
        on_demand: Load a model when it is first asked for, not at the start.
        model_key: Serve only models that are signed for this public key, a PEM file.
        tls: Encryption of the TCP addresses.
        memory: What the server may use; by default what the machine and the control group say.
        watch: Watches predictions; None watches none.
    """

    addresses: tuple[str, ...] = (DEFAULT_ADDRESS,)
    threads: int = 1
    waiting: int = 8
    at_once: int = 1
    poll_s: float = 1.0
    packed: bool = True
    largest_answer_bytes: int = LARGEST_MESSAGE_BYTES
    labels_for_unavailable: bool = False
    on_demand: bool = False
    model_key: Path | None = None
    tls: Tls | None = None
    memory: MemoryLimit | None = None
    watch: Watch | None = None


class Server:
    """A running server; `stop` finishes what was accepted."""

    def __init__(self, models: Sequence[ModelConfig], settings: ServerSettings) -> None:
        """Loads the models and starts to listen.

        Raises:
            ModelError: A model cannot be served.
            StartError: An address or a TLS file cannot be used.
        """
        manager = OnDemandManager if settings.on_demand else ModelManager
        self.manager = manager(
            settings.threads, settings.labels_for_unavailable, settings.model_key
        )
        self.activity = Activity()
        """When somebody last asked for something."""
        self._health = health.HealthServicer()
        self._malformed = MalformedRequests()
        limits = AnswerLimits(packed=settings.packed, largest_bytes=settings.largest_answer_bytes)
        self.admission = Admission(settings.waiting, settings.at_once)
        """Who computes, who waits, and what they hold."""
        self._prediction = PredictionService(self.manager, self.admission, limits)
        self._grpc = self._build(settings)
        # Addresses first: a taken one is known at once, a model takes seconds.
        self.addresses = [
            _listen(self._grpc, address, settings.tls) for address in settings.addresses
        ]
        self._sockets = socket_ids(self.addresses)
        try:
            self.manager.apply(models)
        except CallError as error:
            self._grpc.stop(None)
            remove_sockets(self._sockets)
            raise ModelError(error.message) from error
        self._prediction.room = _room(settings.memory)
        self._poller = Poller(self.manager, settings.poll_s).__enter__()
        for name in _HEALTH_NAMES:
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self.activity.restart()
        self._grpc.start()

    def stop(self, grace_s: float) -> None:
        """Takes no more calls, finishes those accepted for `grace_s` seconds at most, and ends."""
        self._health.enter_graceful_shutdown()
        self._grpc.stop(grace_s).wait()
        self._malformed.report()
        self._poller.__exit__()
        self.manager.close()
        remove_sockets(self._sockets)

    def _build(self, settings: ServerSettings) -> grpc.Server:
        threads = settings.waiting + settings.at_once + _SPARE_THREADS
        server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                # Without it a second server would silently share the port.
                ("grpc.so_reuseport", 0),
            ],
            interceptors=[
                *((settings.watch,) if settings.watch else ()),
                self._malformed,
                self.activity,
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            self._prediction, server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self.manager), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server


def _room(limit: MemoryLimit | None) -> Room:
    """Memory for requests beside the models that are loaded by now."""
    if limit is None and tf.config.list_physical_devices("GPU"):
        return Room()  # volumes lie in the GPU's memory, whose end TensorFlow survives
    return Room(limit or memory_limit(), used_bytes())


def _listen(server: grpc.Server, address: str, tls: Tls | None) -> str:
    """Binds an address and answers it, with the port that was taken."""
    port_name = address.rpartition(":")[2]
    # gRPC takes another port in the place of one that is too large.
    if not address.startswith(UNIX) and not (
        port_name.isdecimal() and int(port_name) <= _LARGEST_PORT
    ):
        raise StartError(f"{address} names no port from 0 to {_LARGEST_PORT}: give HOST:PORT.")
    try:
        if address.startswith(UNIX):
            _clear_socket(Path(address[len(UNIX) :]))
            server.add_insecure_port(address)
            Path(address[len(UNIX) :]).chmod(stat.S_IRUSR | stat.S_IWUSR)
            return address
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, server_credentials(tls))
    except StartError:
        raise
    except (RuntimeError, OSError) as error:
        raise StartError(f"cannot listen on {address}: {_reason(error)}.") from error
    host = address.rpartition(":")[0]
    return f"{host}:{port}"


def _clear_socket(path: Path) -> None:
    """Removes a socket that a server before left behind; anything else stays."""
    if path.exists() and not path.is_socket():
        raise StartError(f"{path} exists and is no socket")
    if _answers(path):
        raise StartError(f"another server answers at {path}")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    """Whether somebody listens at a socket.

    Raises:
        OSError: That cannot be found out.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (TimeoutError, BlockingIOError):
            return True  # its queue is full
    return True


def socket_ids(addresses: Sequence[str]) -> dict[Path, tuple[int, int]]:
    """Device and inode of the unix sockets among addresses."""
    paths = [Path(a[len(UNIX) :]) for a in addresses if a.startswith(UNIX)]
    return {path: _file_id(path.stat()) for path in paths}


def remove_sockets(sockets: Mapping[Path, tuple[int, int]]) -> None:
    """Removes sockets that are ours: another server may listen there by now."""
    for path, own in sockets.items():
        with contextlib.suppress(OSError):
            if _file_id(path.stat()) == own:
                path.unlink()


def _file_id(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or "the address is taken or not allowed"
