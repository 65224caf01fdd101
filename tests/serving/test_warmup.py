"""Requests that a server runs before it calls a version available."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from synthseg_serving.warmup import WARMUP_FILE, read_warmup
from tensorflow_serving.apis import prediction_log_pb2


def test_warmup_is_one_small_request_for_labels_and_evidence(model_dir: Path) -> None:
    path = model_dir / "1" / WARMUP_FILE
    (record,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(record)
    assert log.predict_log.request.model_spec.name == "synthseg"
    (request,) = read_warmup(path)
    assert tf.make_ndarray(request.inputs["image"]).shape == (32, 32, 32)
    assert path.stat().st_size < 200_000
