"""Which operations of an exported model may be the CPU's, where a GPU does the rest."""

from __future__ import annotations

from pathlib import Path

from synthseg_serving.gpu_kernels import without_gpu_kernel

# Of loading and of `describe`: done once, or nothing but text.
LOADING = (
    "StaticRegexFullMatch",
    "StringJoin",
    "ShardedFilename",
    "SaveV2",
    "RestoreV2",
    "MergeV2Checkpoints",
    "Const(dtype=string",
    "Select(T=string",
    "Pack(T=string",
)
# The answer, and probabilities that wait for those of the mirrored pass, three bytes each: whole
# numbers in the smallest type, which are kept in the server's own memory.
STORED = ("TensorListSetItem", "TensorListGetItem", "TensorListConcatV2", "GatherV2", "Slice")
SMALL = ("uint8", "uint16")


def _beside_the_network(operation: str) -> bool:
    return operation.startswith(LOADING) or (
        operation.startswith(STORED) and any(kind in operation for kind in SMALL)
    )


def misplaced(version: Path) -> set[str]:
    """Operations of a network that no GPU can do."""
    found = without_gpu_kernel(version)
    assert found, "the files of the weights are read by the CPU"
    return {operation for operation in found if not _beside_the_network(operation)}
