"""Requests that a server runs before it calls a version available: the first caller waits less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
WARMUP_EDGE_VOXELS = 32


def write_warmup(version_dir: Path, name: str) -> Path:
    """Writes one small request, in the format that TF Serving and the embedded server read.

    Args:
        version_dir: The version's folder.
        name: Name under which the model will be served.

    Returns:
        The file, a TFRecord of PredictionLog.
    """
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = name
    request.model_spec.signature_name = contract.SEGMENT_SIGNATURE
    ramp = np.linspace(0, 1, WARMUP_EDGE_VOXELS**3, dtype=np.float32)
    inputs = {
        contract.IMAGE: ramp.reshape((WARMUP_EDGE_VOXELS,) * 3),
        contract.MIN_SIZE: np.full(3, WARMUP_EDGE_VOXELS, np.int32),
        contract.FLIP: np.array(True),
    }
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    request.output_filter.extend([contract.LABELS, *contract.EVIDENCE])
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
