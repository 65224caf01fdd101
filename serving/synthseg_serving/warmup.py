"""Requests that a server runs before it calls a version available: the first caller waits less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_trainer.aliases import FloatArray
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from synthseg_serving.graph import Warmup

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
WARMUP_EDGE_VOXELS = 32


def _ramp() -> FloatArray:
    """float32 `[32, 32, 32]` from 0 to 1."""
    values = np.linspace(0, 1, WARMUP_EDGE_VOXELS**3, dtype=np.float32)
    return values.reshape((WARMUP_EDGE_VOXELS,) * 3)


SEGMENT_WARMUP = Warmup(
    {
        contract.IMAGE: _ramp(),
        contract.MIN_SIZE: np.full(3, WARMUP_EDGE_VOXELS, np.int32),
        contract.FLIP: np.array(True),
        contract.SMOOTH: np.array(True),
    },
    (contract.LABELS, *contract.EVIDENCE),
)


def write_warmup(version_dir: Path, name: str, warmup: Warmup = SEGMENT_WARMUP) -> Path:
    """Writes one small request, in the format that TF Serving and the embedded server read.

    Args:
        version_dir: The version's folder.
        name: Name under which the model will be served.
        warmup: The request.

    Returns:
        The file, a TFRecord of PredictionLog.
    """
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = name
    request.model_spec.signature_name = contract.SEGMENT_SIGNATURE
    for key, value in warmup.inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    request.output_filter.extend(warmup.outputs)
    path = version_dir / WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())
    return path


def read_warmup(path: Path) -> Iterator[predict_pb2.PredictRequest]:
    """Yields the predict requests of a warm-up file; none where there is no file."""
    if not path.is_file():
        return
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.HasField("predict_log"):
            yield log.predict_log.request
