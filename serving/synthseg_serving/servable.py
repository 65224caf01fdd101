"""One version of a model, loaded: its signatures, and runs with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.client import pywrap_tf_session

from synthseg_serving.budget import Budget
from synthseg_serving.errors import CallError, ModelError, out_of_time
from synthseg_serving.manifest import check_version
from synthseg_serving.tensors import decode
from synthseg_serving.versions import stored_bytes
from synthseg_serving.warmup import WARMUP_FILE, read_warmup

_MOST_OUTPUT_SETS = 16
"""More than callers of one kind ask for; every one of them takes some megabytes for good."""
_HELD_PER_STORED = 2.0
# TensorFlow and gRPC number their status codes alike.
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class Servable:
    """A SavedModel in a session of its own, through the engine that TF Serving uses.

    Eager `tf.saved_model.load` would give no deadline: a run could not be stopped.
    """

    def __init__(
        self, folder: Path, version: int, threads: int, model_key: Path | None = None
    ) -> None:
        """Loads a version and runs its warm-up requests.

        Raises:
            ModelError: The folder holds no model that loads, or not the one that was exported, or
                a warm-up request fails.
        """
        check_version(folder, model_key)
        self.version = version
        self.held_bytes = round(_HELD_PER_STORED * stored_bytes(folder))
        """About what the process holds of it between requests."""
        self._users = 0
        self._output_sets: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()
        self._on_closed: Callable[[], None] | None = None
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            # Two, so that short requests are answered beside a long one.
            inter_op_parallelism_threads=2,
        )
        config.gpu_options.allow_growth = True
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            with self._session.graph.as_default():
                loaded = tf.compat.v1.saved_model.loader.load(
                    self._session, [tf.saved_model.SERVING], str(folder)
                )
            self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = dict(loaded.signature_def)
            self.budget = self._read_budget()
            self._warm_up(folder)
        except (OSError, ValueError, RuntimeError, KeyError, tf.errors.OpError, CallError) as error:
            self._session.close()
            first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise ModelError(f"{folder}: the model does not load: {first}") from error

    def run(
        self,
        signature: meta_graph_pb2.SignatureDef,
        inputs: Mapping[str, AnyArray],
        outputs: list[str],
        timeout_s: float | None = None,
    ) -> dict[str, AnyArray]:
        """Computes outputs of a signature, and nothing that they do not need, or all of them.

        Args:
            signature: One of `signatures`.
            inputs: An array for every input.
            outputs: Names of outputs.
            timeout_s: The run is stopped after this.

        Raises:
            CallError: The graph refuses the input, or the time is over.
        """
        options = tf.compat.v1.RunOptions()
        # TensorFlow takes 0 for "no limit".
        if timeout_s is not None:
            options.timeout_in_ms = max(1, int(timeout_s * 1000))
        graph = self._session.graph

        # Below `Session.run`, which checks shapes and words errors itself where a C++ server leaves
        # both to the graph.
        def tensor(name: str) -> object:
            return graph.get_tensor_by_name(name)._as_tf_output()

        computed = self._choose_set(signature, outputs)
        feeds = {tensor(signature.inputs[key].name): value for key, value in inputs.items()}
        fetches = [tensor(signature.outputs[key].name) for key in computed]
        self._session._extend_graph()
        packed = pywrap_tf_session.TF_NewBufferFromString(options.SerializeToString())
        try:
            values = self._session._call_tf_sessionrun(packed, feeds, fetches, [], None)
        except tf.errors.DeadlineExceededError as error:
            raise out_of_time() from error
        except tf.errors.OpError as error:
            code = _CODES.get(error.error_code, "UNKNOWN")
            # TensorFlow's own way to say that memory did not suffice.
            reason = contract.TOO_LARGE if code == "RESOURCE_EXHAUSTED" else ""
            raise CallError(code, str(error.message), reason) from error
        finally:
            pywrap_tf_session.TF_DeleteBuffer(packed)
        # Scalars come as Python objects.
        arrays = [np.array(v, object) if isinstance(v, bytes) else np.asarray(v) for v in values]
        found = dict(zip(computed, arrays, strict=True))
        return {key: found[key] for key in outputs}

    def _choose_set(self, signature: meta_graph_pb2.SignatureDef, outputs: list[str]) -> list[str]:
        """The outputs to compute: those that are asked for, or all where many sets were.

        A session keeps an own copy of the graph, of megabytes, for every set that it ever computed.
        """
        asked = sorted(set(outputs))
        key = tuple(signature.outputs[name].name for name in asked)
        with self._lock:
            if key not in self._output_sets and len(self._output_sets) >= _MOST_OUTPUT_SETS:
                return sorted(signature.outputs)
            self._output_sets.add(key)
        return asked

    @contextmanager
    def in_use(self) -> Iterator[Servable]:
        """Keeps the session open; see `retire`."""
        try:
            yield self
        finally:
            with self._lock:
                self._users -= 1
            self._close_if_unused()

    def reserve(self) -> None:
        """Announces one `in_use`, so that nobody closes the session in between."""
        with self._lock:
            self._users += 1

    def retire(self, on_closed: Callable[[], None]) -> None:
        """Closes the session when its last user has left."""
        with self._lock:
            self._on_closed = on_closed
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        with self._lock:
            if self._users or self._on_closed is None:
                return
            callback, self._on_closed = self._on_closed, None
        self._session.close()
        callback()

    def _read_budget(self) -> Budget:
        """What the model says about sizes, asked before it has to compute anything."""
        signature = self.signatures.get(contract.DESCRIBE_SIGNATURE)
        if signature is None or contract.MODEL_INFO not in signature.outputs or signature.inputs:
            return Budget()
        told = self.run(signature, {}, [contract.MODEL_INFO])[contract.MODEL_INFO]
        return Budget.from_info(told.item() if told.size == 1 else b"")

    def _warm_up(self, folder: Path) -> None:
        for request in read_warmup(folder / WARMUP_FILE):
            name = (
                request.model_spec.signature_name
                or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
            )
            signature = self.signatures[name]
            inputs = {key: decode(value) for key, value in request.inputs.items()}
            for key, value in signature.defaults.items():
                inputs.setdefault(key, decode(value))
            self.run(signature, inputs, list(request.output_filter or signature.outputs))
