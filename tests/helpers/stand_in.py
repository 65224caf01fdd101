"""A stand-in for the recorded servers' model, with answers that take as long as a test wants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import grpc
import numpy as np
import tensorflow as tf
from synthseg_common.arrays import FloatArray
from synthseg_serving.versions import ModelConfig, VersionPolicy
from tensorflow_serving.apis import predict_pb2

BegunRun: TypeAlias = "tuple[LongRun, grpc.Future[predict_pb2.PredictResponse]]"
"""A long run that computes, and its answer."""


class Synth(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    """The model of the recorded exchanges: labels are the image times the version."""

    def __init__(self, folder: Path, version: int) -> None:
        super().__init__()
        self.folder = str(folder)
        self.version = version
        spec = [tf.TensorSpec([None, None, None], tf.float32, "image")]
        self.segment = tf.function(self._segment, input_signature=spec)
        self.slow = tf.function(self._slow, input_signature=spec)

    def _segment(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        labels = tf.cast(image * float(self.version), tf.uint8)
        return {"labels": labels, "volumes": tf.reduce_sum(tf.reshape(image, [-1]), keepdims=True)}

    def _slow(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes for minutes, or until somebody ends it: see `LongRun`."""
        number = tf.strings.as_string(tf.cast(tf.reduce_mean(image), tf.int32))
        begun, enough = (tf.strings.join([self.folder, f"/{n}-", number]) for n in LongRun.FILES)
        tf.io.write_file(begun, "")

        def goes_on(step: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return (step < 100_000) & tf.equal(tf.size(tf.io.matching_files(enough)), 0)

        start = tf.ones([500, 500]) / 500
        _, end = tf.while_loop(goes_on, lambda step, m: (step + 1, m @ m), (0, start))
        return {"labels": end}


@dataclass(frozen=True)
class LongRun:
    """Slow requests to the stand-in model that compute until they are told to end.

    Attributes:
        folder: Base path of the model.
        number: What tells them from others; the image is full of it.
    """

    FILES: ClassVar[tuple[str, str]] = ("begun", "enough")
    folder: Path
    number: int

    @property
    def image(self) -> FloatArray:
        """The input of the signature `slow`."""
        return np.full((2, 2, 2), self.number, np.float32)

    def has_begun(self) -> bool:
        """Whether one of them has computed."""
        return self._file(0).exists()

    def end(self) -> None:
        """Lets them all come to their answer."""
        self._file(1).touch()

    def _file(self, which: int) -> Path:
        return self.folder / f"{self.FILES[which]}-{self.number}"


def save_synth(folder: Path, version: int) -> Path:
    """Writes the stand-in model whole, under a name that servers do not see until it is done."""
    module = Synth(folder, version)
    temporary = folder / f"{version}.tmp"
    signatures = {
        "serving_default": module.segment,
        "segment": module.segment,
        "slow": module.slow,
    }
    tf.saved_model.save(module, str(temporary), signatures=signatures)
    return temporary.rename(folder / str(version))


def synth_config(folder: Path, **labels: int) -> ModelConfig:
    return ModelConfig(
        name="synth", base_path=folder, policy=VersionPolicy(latest=0), labels=labels
    )


def synth_entry(folder: Path, **labels: int) -> dict[str, object]:
    return {
        "name": "synth",
        "base_path": str(folder),
        "model_platform": "tensorflow",
        "model_version_policy": {"all": {}},
        "version_labels": labels,
    }
