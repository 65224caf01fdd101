"""A graph of anybody's becomes a model through the protocol alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from synthseg_common import contract
from synthseg_serving.export import export_graph
from synthseg_serving.graph import Input, Signature, Warmup
from synthseg_serving.servable import Servable


class Doubling:
    """Answers twice what it is sent, 3 if it is sent nothing."""

    def __init__(self, told: dict[str, object]) -> None:
        self.told = told

    def signatures(self) -> dict[str, Signature]:
        given = Input("x", tf.float32, (None,), np.full(1, 1.5, np.float32))
        return {contract.SEGMENT_SIGNATURE: Signature((given,), lambda x: {"y": 2 * x})}

    def restore(self, session: tf.compat.v1.Session) -> None:
        """There is nothing to restore."""


def test_any_graph_that_keeps_the_protocol_can_be_served(tmp_path: Path) -> None:
    made: list[Doubling] = []

    def make(told: dict[str, object]) -> Doubling:
        made.append(Doubling(told))
        return made[-1]

    warmup = Warmup({"x": np.ones(2, np.float32)}, ("y",))
    folder = export_graph(make, {"name": "doubling"}, warmup, tmp_path / "m")
    assert made[0].told == {"name": "doubling", "version": 1}
    servable = Servable(folder, 1, threads=1)
    signature = servable.signatures[contract.SEGMENT_SIGNATURE]
    assert tf.make_ndarray(signature.defaults["x"]).tolist() == [1.5]
    answer = servable.run(signature, {"x": np.array([1, 2.5], np.float32)}, ["y"])
    assert answer["y"].tolist() == [2, 5]
