"""Which operations of an exported model a GPU cannot do, by TensorFlow's own register of kernels.

What has no kernel for a GPU is computed on the CPU, and its operands travel there and back. The
register is that of the installed TensorFlow: a build with CUDA lists its kernels on every machine,
with a GPU or without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from synthseg_common.errors import reason_of
from tensorflow.core.framework import attr_value_pb2, graph_pb2, kernel_def_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels
from tensorflow.python.platform import build_info

from synthseg_serving.errors import ModelError

DEVICES = ("GPU", "DEFAULT")
"""Kinds of kernels that run where a GPU is: its own, and those for any device."""
_FILE = "saved_model.pb"


def built_with_cuda() -> bool:
    """Whether the installed TensorFlow knows of any GPU."""
    return bool(build_info.build_info["is_cuda_build"])


def without_gpu_kernel(folder: Path) -> Counter[str]:
    """Operations that only the CPU can do, as `Op(T=type)`, and how many of each the graph has.

    Args:
        folder: A version of a model, which holds `saved_model.pb`.

    Raises:
        ModelError: There is none, or it is broken.
    """
    graph = _graph_of(folder)
    functions = {function.signature.name for function in graph.library.function}
    return Counter(
        _called(node)
        for node in _nodes_of(graph)
        if node.op not in functions and not _has_kernel(node)
    )


def _graph_of(folder: Path) -> graph_pb2.GraphDef:
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / _FILE).read_bytes())
        return saved.meta_graphs[0].graph_def
    except OSError as error:
        raise ModelError(f"{folder / _FILE} cannot be read: {reason_of(error)}.") from error
    except Exception as error:  # protobuf's, and of a file without a graph
        raise ModelError(f"{folder / _FILE} is no saved model.") from error


def _nodes_of(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _has_kernel(node: node_def_pb2.NodeDef) -> bool:
    return any(_fits(kernel, node) for kernel in _kernels_of(node.op))


@cache
def _kernels_of(operation: str) -> tuple[kernel_def_pb2.KernelDef, ...]:
    found = kernels.get_registered_kernels_for_op(operation).kernel
    return tuple(kernel for kernel in found if kernel.device_type in DEVICES)


def _fits(kernel: kernel_def_pb2.KernelDef, node: node_def_pb2.NodeDef) -> bool:
    """Whether a kernel is for the types of a node."""
    return all(
        _types(node.attr[constraint.name]) <= set(constraint.allowed_values.list.type)
        for constraint in kernel.constraint
        if constraint.name in node.attr
    )


def _types(value: attr_value_pb2.AttrValue) -> set[int]:
    return set(value.list.type) or {value.type}


def _called(node: node_def_pb2.NodeDef) -> str:
    from tensorflow import as_dtype

    types = [
        f"{name}={as_dtype(value.type).name}" for name, value in node.attr.items() if value.type
    ]
    return f"{node.op}({', '.join(sorted(types))})"
