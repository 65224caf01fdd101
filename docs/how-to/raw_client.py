"""A request to the model server with nothing of this project but the messages.

Make the messages first, in any language; for Python, from the repository's root:

    pip install grpcio-tools nibabel numpy
    python -m grpc_tools.protoc -I client/synthseg_client --python_out=docs/how-to messages.proto
    python docs/how-to/raw_client.py localhost:8500 scan.nii.gz

Python looks for `messages_pb2.py` beside the script, so that is where it is written.

The scan must have 1 mm voxels here; the client of this project resamples.
"""

from __future__ import annotations

import sys

import grpc
import messages_pb2 as wire
import nibabel as nib
import numpy as np


def pack(array: np.ndarray, dtype: int) -> wire.Tensor:
    """An array as it goes over the wire: C order, little endian."""
    tensor = wire.Tensor(dtype=dtype, tensor_content=array.tobytes())
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def unpack_bytes(tensor: wire.Tensor) -> np.ndarray:
    """A uint8 array, whether the server packed it or wrote one field per value."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, np.uint8).reshape(shape)
    values = np.array(tensor.int_val, np.uint8)
    # The last value stands for all that follow when fewer are sent than the shape holds.
    full = np.full(int(np.prod(shape)), values[-1], np.uint8)
    full[: len(values)] = values
    return full.reshape(shape)


def main(address: str, path: str) -> None:
    """Prints how many voxels of each label a scan has."""
    scan = nib.as_closest_canonical(nib.load(path))  # axes right, anterior, superior
    image = np.ascontiguousarray(scan.get_fdata(dtype=np.float32))
    request = wire.PredictRequest(output_filter=["labels"])
    request.model_spec.name = "synthseg"
    request.inputs["image"].CopyFrom(pack(image, wire.DT_FLOAT))

    # The default limit, 4 MB, is less than a label map.
    channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
    predict = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=wire.PredictRequest.SerializeToString,
        response_deserializer=wire.PredictResponse.FromString,
    )
    # Always with a deadline: a server computes on for clients that have gone.
    answer = predict(request, timeout=1800)
    labels = unpack_bytes(answer.outputs["labels"])
    for value, count in zip(*np.unique(labels, return_counts=True), strict=True):
        print(value, count)


if __name__ == "__main__":
    main(*sys.argv[1:])
