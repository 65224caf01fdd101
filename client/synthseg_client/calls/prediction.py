"""One prediction: arrays to a request, and the answer to arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from synthseg_common import contract
from synthseg_common.arrays import AnyArray

from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.deadlines import SHORT_TIMEOUT_S
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.tensors import from_message, to_message
from synthseg_client.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is asked of a model.

    Attributes:
        model: Which.
        inputs: Arrays by input name.
        outputs: Names of the outputs wanted; none means all.
        signature: Signature of the model.
        timeout_s: Deadline in seconds of each try.
        metadata: Pairs sent with this call besides those of the address.
        most_values: How many values an output may stand for, see `from_message`; None: as many as a
            message holds.
        awaits_model: Whether to wait for a model that is not there, since it was, or comes.
        with_scan: Whether it may end the server, as a large scan can; then it is sent again alone,
            once.
    """

    model: ModelChoice
    inputs: Mapping[str, ArrayLike] = field(default_factory=dict)
    outputs: Iterable[str] = ()
    signature: str = contract.SEGMENT_SIGNATURE
    timeout_s: float = SHORT_TIMEOUT_S
    metadata: Mapping[str, str] = field(default_factory=dict)
    most_values: int | None = None
    awaits_model: bool = False
    with_scan: bool = False

    @property
    def voxels(self) -> int:
        """Of the volume that is sent; 0 if none is."""
        return int(np.size(self.inputs[contract.IMAGE])) if contract.IMAGE in self.inputs else 0

    def to_message(self) -> wire.PredictRequest:
        """The request as it goes over the wire."""
        spec = self.model.to_spec(self.signature)
        request = wire.PredictRequest(model_spec=spec, output_filter=list(self.outputs))
        for name, values in self.inputs.items():
            request.inputs[name].CopyFrom(to_message(values))
        return request

    def read(self, answer: wire.PredictResponse, target: str) -> dict[str, AnyArray]:
        """The arrays of an answer by output name.

        Args:
            answer: As it arrived.
            target: Who gave it, for errors.

        Raises:
            AnswerError: A tensor cannot be read.
            ModelError: An output that was wanted is missing.
        """
        arrays = {
            name: from_message(tensor, name, self.most_values)
            for name, tensor in answer.outputs.items()
        }
        missing = [name for name in self.outputs if name not in arrays]
        if missing:
            raise ModelError(f"{target} left out {', '.join(missing)} from its answer.")
        return arrays
