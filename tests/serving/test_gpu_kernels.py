"""What of the exported models a GPU can do, asked of TensorFlow's own register of kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from gpu_operations import misplaced
from synthseg_common import contract
from synthseg_serving.errors import ModelError
from synthseg_serving.export import export_graph
from synthseg_serving.gpu_kernels import built_with_cuda, without_gpu_kernel
from synthseg_serving.graph import Input, Signature, Warmup
from synthseg_serving.shipped import shipped_model_dir

from tests.serving.test_graph import Doubling

pytestmark = pytest.mark.skipif(not built_with_cuda(), reason="a TensorFlow without CUDA")


def test_a_gpu_does_all_of_the_shipped_network(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = shipped_model_dir(cache=tmp_path_factory.mktemp("cache"))
    assert misplaced(folder / "1") == set()


def test_an_operation_that_only_the_cpu_does_is_found(tmp_path: Path) -> None:
    class Texts(Doubling):
        def signatures(self) -> dict[str, Signature]:
            given = Input("x", tf.float32, (None,))
            return {
                contract.SEGMENT_SIGNATURE: Signature(
                    (given,), lambda x: {"y": tf.strings.length(tf.strings.as_string(2 * x))}
                )
            }

    warmup = Warmup({"x": np.ones(2, np.float32)}, ("y",))
    version = export_graph(Texts, {"name": "texts"}, warmup, tmp_path / "m")
    assert {"AsString(T=float32)", "StringLength()"} <= misplaced(version)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"saved_model\.pb cannot be read: No such file"):
        without_gpu_kernel(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"saved_model\.pb is no saved model"):
        without_gpu_kernel(tmp_path)
