"""Requests that cannot be answered, refused before anything is allocated for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from synthseg_common import contract
from synthseg_common.arrays import AnyArray
from synthseg_common.memory import MemoryLimit
from tensorflow.core.framework import tensor_pb2

from synthseg_serving.errors import CallError
from synthseg_serving.tensors import element_bytes, element_count

LARGEST_MESSAGE_BYTES = 2**31 - 1 - 2**20
"""What one gRPC message holds, less a margin for names and shapes."""
_GIB = 2**30


@dataclass(frozen=True)
class RequestedGrid:
    """The grid that a network works on to answer a request.

    Attributes:
        shape: In voxels.
        source: Which inputs ask for it, and the verb, for messages.
    """

    shape: tuple[int, int, int]
    source: str


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

    def run_bytes(self, asked: RequestedGrid | None) -> int:
        """Memory that answering a request takes; 0 where the model says nothing of it."""
        if asked is None or self.bytes_per_voxel is None:
            return 0
        return contract.counted_voxels(asked.shape) * self.bytes_per_voxel

    def check_grid(self, asked: RequestedGrid | None, room: Room) -> None:
        """Refuses a network grid that the model does not take, or this server's memory not hold.

        The graph refuses the former too, but only when its turn has come.

        Raises:
            CallError: It is too large.
        """
        if asked is None or self.max_voxels is None:
            return
        voxels = contract.counted_voxels(asked.shape)
        if voxels > self.max_voxels or max(asked.shape) > contract.LARGEST_AXIS:
            raise CallError(
                "INVALID_ARGUMENT",
                f"the network grid may have {self.max_voxels} voxels at most and "
                f"{contract.LARGEST_AXIS} per axis, {asked.source} for {list(asked.shape)}, which "
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

    @property
    def size_bytes(self) -> int | None:
        """What all requests together may hold; None if nothing says it."""
        return None if self.limit is None else max(0, self.limit.size_bytes - self.held_bytes)

    def beside(self, more_bytes: int) -> Room:
        """The room that is left beside what was loaded since."""
        return replace(self, held_bytes=self.held_bytes + more_bytes)

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


def requested_grid(inputs: Mapping[str, AnyArray]) -> RequestedGrid | None:
    """The network grid that a request asks for; None if it asks for none, or wrongly."""
    if contract.SCORED_SIZE in inputs:
        return _scored_cube(inputs[contract.SCORED_SIZE])
    image = inputs.get(contract.IMAGE)
    if image is None or not _is_volume(image):
        return None
    labels, least = inputs.get(contract.NETWORK_LABELS), inputs.get(contract.MIN_SIZE)
    if labels is not None:
        return _grid_of(labels)
    if least is None or least.shape != (3,) or least.dtype.kind != "i" or least.min() < 1:
        return None
    shape = contract.network_grid(image.shape, least.tolist())
    return RequestedGrid(shape, "image and min_size ask")


def _scored_cube(size: AnyArray) -> RequestedGrid | None:
    """Of a scorer, whose network sees a cube whatever it is sent."""
    edge = int(size.reshape(-1)[0]) if size.size == 1 and size.dtype.kind == "i" else 0
    return RequestedGrid((edge, edge, edge), "scored_size asks") if edge >= 1 else None


def _grid_of(labels: AnyArray) -> RequestedGrid | None:
    """Of a parcellator, which is sent labels on the network grid."""
    if not _is_volume(labels):
        return None
    x, y, z = labels.shape
    return RequestedGrid((x, y, z), "network_labels ask")


def _is_volume(array: AnyArray) -> bool:
    return array.ndim == 3 and array.size > 0
