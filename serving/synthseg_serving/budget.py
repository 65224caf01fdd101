"""Requests that cannot be answered, refused before anything is allocated for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from synthseg_common import contract
from synthseg_common.memory import MemoryLimit
from tensorflow.core.framework import tensor_pb2

from synthseg_serving.errors import CallError
from synthseg_serving.tensors import element_bytes, element_count

LARGEST_MESSAGE_BYTES = 2**31 - 1 - 2**20
"""What one gRPC message holds, less a margin for names and shapes."""
_GIB = 2**30


@dataclass(frozen=True)
class Budget:
    """What a model says about sizes; a model that is no segmentation model says nothing.

    Attributes:
        max_voxels: Voxels that the network grid may have.
        bytes_per_voxel: Memory of a request per voxel of the network grid.
    """

    max_voxels: int | None = None
    bytes_per_voxel: int | None = None

    @classmethod
    def from_info(cls, text: bytes) -> Budget:
        """From the JSON that a model answers as `model_info`; what is missing or odd is unknown."""
        try:
            info = json.loads(text)
        except ValueError:
            return cls()
        if not isinstance(info, dict):
            return cls()
        found = (info.get(key) for key in (contract.MAX_VOXELS, contract.BYTES_PER_VOXEL))
        return cls(*(n if isinstance(n, int) and n > 0 else None for n in found))

    def check_declared(self, key: str, tensor: tensor_pb2.TensorProto) -> None:
        """Refuses a tensor of more elements than any input may have.

        A few bytes are enough to ask for them: the last value sent repeats up to the shape.

        Raises:
            CallError: It has too many.
        """
        try:
            count, size = element_count(tensor), element_bytes(tensor)
        except ValueError:  # no tensor at all, which is said where it is read
            return
        most = self.max_voxels or LARGEST_MESSAGE_BYTES // size
        if count > most:
            raise CallError(
                "INVALID_ARGUMENT",
                f"{key} has {count} elements, {most} are taken at most",
                contract.TOO_LARGE,
            )

    def check_grid(self, grid: tuple[int, int, int] | None, room: Room) -> None:
        """Refuses a network grid that the model does not take, or this server's memory not hold.

        The graph refuses the former too, but only when its turn has come.

        Raises:
            CallError: It is too large.
        """
        if grid is None or self.max_voxels is None:
            return
        voxels = contract.counted_voxels(grid)
        if voxels > self.max_voxels or max(grid) > contract.LARGEST_AXIS:
            raise CallError(
                "INVALID_ARGUMENT",
                f"the network grid may have {self.max_voxels} voxels at most and "
                f"{contract.LARGEST_AXIS} per axis, image and min_size ask for {list(grid)}, which "
                f"counts as {voxels}",
                contract.TOO_LARGE,
            )
        if self.bytes_per_voxel is not None:
            room.check(voxels, self.bytes_per_voxel)


@dataclass(frozen=True)
class Room:
    """The memory that a server has for requests.

    Attributes:
        limit: What it may use; None if nothing says it.
        held_bytes: What it holds before any request.
    """

    limit: MemoryLimit | None = None
    held_bytes: int = 0

    def check(self, voxels: int, bytes_per_voxel: int) -> None:
        """Refuses what memory cannot hold, even if nothing else is computed.

        Raises:
            CallError: It is too large.
        """
        needed = voxels * bytes_per_voxel
        if self.limit is None or self.held_bytes + needed <= self.limit.size_bytes:
            return
        raise CallError(
            "RESOURCE_EXHAUSTED",
            f"a network grid of {voxels} voxels takes about {needed / _GIB:.1f} GiB of memory "
            f"({bytes_per_voxel} bytes a voxel) beside the {self.held_bytes / _GIB:.1f} GiB that "
            f"the server holds, and it may use {self.limit.size_bytes / _GIB:.1f} GiB "
            f"({self.limit.source}): send a smaller volume, or give the server more memory",
            contract.TOO_LARGE,
        )


def requested_grid(inputs: Mapping[str, np.ndarray]) -> tuple[int, int, int] | None:
    """The network grid that a request asks for; None if it asks for none, or wrongly."""
    image, least = inputs.get(contract.IMAGE), inputs.get(contract.MIN_SIZE)
    if image is None or least is None or image.ndim != 3 or least.shape != (3,):
        return None
    if not image.size or least.dtype.kind != "i" or least.min() < 1:
        return None
    return contract.network_grid(image.shape, least.tolist())
