"""A trained network as a versioned SavedModel that TF Serving and the embedded server load."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_common.errors import reason_of
from synthseg_trainer.network.bundle import Bundle
from tensorflow.core.protobuf import meta_graph_pb2

from synthseg_serving.errors import ExportError
from synthseg_serving.footprint import bytes_per_voxel
from synthseg_serving.graph import ServedGraph, Signature, Warmup
from synthseg_serving.inference import Segmenter
from synthseg_serving.manifest import write_manifest
from synthseg_serving.warmup import SEGMENT_WARMUP, write_warmup

LEAST_MAX_VOXELS = contract.DEFAULT_MIN_SIZE**3
LARGEST_MAX_VOXELS = contract.LARGEST_AXIS**3
# What TensorFlow raises where a file cannot be written, and what the system had said.
_FILE_ERRORS: dict[type[tf.errors.OpError], int] = {
    tf.errors.FailedPreconditionError: errno.EIO,
    tf.errors.NotFoundError: errno.ENOENT,
    tf.errors.PermissionDeniedError: errno.EACCES,
    tf.errors.ResourceExhaustedError: errno.ENOSPC,
    tf.errors.UnknownError: errno.EIO,
}


def export_bundle(
    bundle: Bundle,
    model_dir: Path,
    version: int | None = None,
    name: str = contract.MODEL_NAME,
    max_voxels: int = contract.DEFAULT_MAX_VOXELS,
) -> Path:
    """Writes one version of a model; it appears whole or not at all.

    Args:
        bundle: The network.
        model_dir: The model's base path.
        version: Number of the version; the next free one by default.
        name: Name under which the model will be served, for the warm-up requests.
        max_voxels: Voxels that the network grid may have; requests for more are refused.

    Returns:
        The folder `model_dir/<version>`.

    Raises:
        ExportError: The version exists, the folder cannot be written, the network cannot be served,
            or `max_voxels` is below what the smallest request takes.
    """
    if not LEAST_MAX_VOXELS <= max_voxels <= LARGEST_MAX_VOXELS:
        raise ExportError(
            f"a model takes from {LEAST_MAX_VOXELS} voxels, which is what a request without "
            f"min_size asks for, to {LARGEST_MAX_VOXELS}, got {max_voxels}."
        )
    info = model_info(bundle, max_voxels)
    return export_graph(
        lambda told: Segmenter(bundle, told), info, SEGMENT_WARMUP, model_dir, version, name
    )


def export_graph(
    make: Callable[[dict[str, object]], ServedGraph],
    info: dict[str, object],
    warmup: Warmup,
    model_dir: Path,
    version: int | None = None,
    name: str = contract.MODEL_NAME,
) -> Path:
    """Writes one version of any served graph; it appears whole or not at all.

    Args:
        make: Builds the graph in the default one, from what `describe` shall answer.
        info: That, but for the version.
        warmup: A request to start with.
        model_dir: The model's base path.
        version: Number of the version; the next free one by default.
        name: Name under which the model will be served, for the warm-up request.

    Returns:
        The folder `model_dir/<version>`.

    Raises:
        ExportError: The version exists, the folder cannot be written, or the network cannot be
            served.
    """
    number = next_version(model_dir) if version is None else version
    if number < 1:
        raise ExportError(f"a version must be 1 or more, got {number}.")
    target = model_dir / str(number)
    if target.exists():
        raise ExportError(f"{target} exists; choose another version or remove it.")
    temporary = _make_temporary(model_dir, number)
    try:
        _save(lambda: make({**info, "version": number}), temporary)
        write_warmup(temporary, name, warmup)
        write_manifest(temporary, number)
        temporary.chmod(0o755)
        # Servers take a folder up as soon as its name is a number: only a complete one gets it.
        temporary.rename(target)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, (OSError, *_FILE_ERRORS)):
            cause = as_os_error(error)
            raise ExportError(f"{target} cannot be written: {reason_of(cause)}.") from cause
        raise
    return target


def as_os_error(error: OSError | tf.errors.OpError) -> OSError:
    """What the system said when a file could not be written, also where TensorFlow wrote it."""
    if isinstance(error, OSError):
        return error
    number = next(n for kind, n in _FILE_ERRORS.items() if isinstance(error, kind))
    told = OSError(number, os.strerror(number))
    told.__cause__ = error
    return told


def model_info(bundle: Bundle, max_voxels: int = contract.DEFAULT_MAX_VOXELS) -> dict[str, object]:
    """What `describe` answers as `model_info`, but for the version."""
    info = bundle.info
    return {
        "contract": contract.VERSION,
        "name": info.get("name", contract.MODEL_NAME),
        "network": asdict(bundle.network),
        # Tells trainings apart that differ in their data alone.
        "weights_sha256": weights_digest(bundle),
        "training": info.get("training", {}),
        "licence": info.get("licence", ""),
        **{k: v for k, v in info.items() if k not in ("name", "training", "licence")},
        contract.MAX_VOXELS: max_voxels,
        contract.BYTES_PER_VOXEL: bytes_per_voxel(bundle.network),
    }


def weights_digest(bundle: Bundle) -> str:
    """SHA-256 of the names, shapes and values of a network's weights."""
    digest = hashlib.sha256()
    for name in sorted(bundle.weights):
        values = np.ascontiguousarray(bundle.weights[name])
        digest.update(f"{name} {values.shape} {values.dtype}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def next_version(model_dir: Path) -> int:
    """One more than the highest version in a model's base path."""
    if model_dir.exists() and not model_dir.is_dir():
        raise ExportError(f"{model_dir} is not a folder.")
    names = [path.name for path in model_dir.iterdir()] if model_dir.is_dir() else []
    return 1 + max((int(n) for n in names if n.isascii() and n.isdigit()), default=0)


def _make_temporary(model_dir: Path, number: int) -> Path:
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=model_dir, prefix=f".{number}.tmp-"))
    except OSError as error:
        raise ExportError(f"{model_dir} cannot be written: {reason_of(error)}.") from error


def _save(make: Callable[[], ServedGraph], folder: Path) -> None:
    """Builds the graph and writes it.

    The operations stand in the graph itself rather than in a function that the signature calls, as
    `tf.saved_model.save` has it: only then does a server skip the work for outputs that are not
    asked for.
    """
    v1 = tf.compat.v1
    with (
        tf.Graph().as_default(),
        v1.Session(config=v1.ConfigProto(device_count={"GPU": 0})) as session,
    ):
        graph = make()
        signatures = {name: _built(asked) for name, asked in graph.signatures().items()}
        graph.restore(session)
        # The builder refuses a folder that exists.
        builder = v1.saved_model.Builder(str(folder / "model"))
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], signatures)
        builder.save()
    for path in (folder / "model").iterdir():
        path.rename(folder / path.name)
    (folder / "model").rmdir()


def _built(signature: Signature) -> meta_graph_pb2.SignatureDef:
    """A signature's operations, put into the default graph."""
    inputs = {i.name: tf.compat.v1.placeholder(i.dtype, None, i.name) for i in signature.inputs}
    built = _signature(inputs, signature.answer(**inputs))
    for told in signature.inputs:
        if told.default is not None:
            built.defaults[told.name].CopyFrom(tf.make_tensor_proto(told.default, told.dtype))
        built.inputs[told.name].tensor_shape.CopyFrom(tf.TensorShape(told.shape).as_proto())
    return built


def _signature(
    inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]
) -> meta_graph_pb2.SignatureDef:
    outputs = {key: tf.identity(tensor, f"answer/{key}") for key, tensor in outputs.items()}
    build = tf.compat.v1.saved_model.build_tensor_info
    return tf.compat.v1.saved_model.build_signature_def(
        {key: build(tensor) for key, tensor in inputs.items()},
        {key: build(tensor) for key, tensor in outputs.items()},
        tf.saved_model.PREDICT_METHOD_NAME,
    )
