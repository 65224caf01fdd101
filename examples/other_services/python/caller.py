"""Segments scans with asyncio: several at once, each answer used as it comes.

    synthseg-client proto .
    pip install grpcio grpcio-tools nibabel numpy
    python -m grpc_tools.protoc -I. --python_out=. messages.proto
    python caller.py localhost:8500 scans/*.nii.gz

Scans need voxels of 1 mm. One line of JSON for each comes to standard output when it is done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
from pathlib import Path

import grpc
import messages_pb2 as wire
import nibabel as nib
import numpy as np

PREDICT = "/tensorflow.serving.PredictionService/Predict"
# The default limit, 4 MB, is less than a label map.
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
LONGEST_PAUSE_S = 15.0


def pack(array: np.ndarray, dtype: int) -> wire.Tensor:
    """An array as it goes over the wire: C order, little endian."""
    tensor = wire.Tensor(dtype=dtype, tensor_content=np.ascontiguousarray(array).tobytes())
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def unpack_labels(tensor: wire.Tensor) -> np.ndarray:
    """A label map, whether the server packed it or wrote one field per value."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    types = {wire.DT_UINT8: np.uint8, wire.DT_UINT16: np.uint16, wire.DT_INT32: np.int32}
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, types[tensor.dtype]).reshape(shape)
    full = np.full(int(np.prod(shape)), tensor.int_val[-1], types[tensor.dtype])
    full[: len(tensor.int_val)] = tensor.int_val  # the last value stands for all that follow
    return full.reshape(shape)


def read_request(path: Path, min_size: int) -> wire.PredictRequest:
    """The request for a scan."""
    scan = nib.as_closest_canonical(nib.load(path))  # axes right, anterior, superior
    if not np.allclose(scan.header.get_zooms()[:3], 1, atol=0.05):
        raise ValueError(f"{path}: its voxels are not of 1 mm.")
    request = wire.PredictRequest(output_filter=["labels"])
    request.model_spec.name = "synthseg"
    request.inputs["image"].CopyFrom(pack(scan.get_fdata(dtype=np.float32), wire.DT_FLOAT))
    request.inputs["min_size"].CopyFrom(pack(np.full(3, min_size, np.int32), wire.DT_INT32))
    return request


def is_worth_another_try(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same request may be answered later."""
    reasons = dict(error.trailing_metadata() or ())
    return error.code() in AGAIN and reasons.get("synthseg-reason") != "too-large"


async def segment(predict, path: Path, choice: argparse.Namespace) -> np.ndarray:
    """The label map of a scan; a busy server is asked again, with growing pauses."""
    # Reading takes long: other answers are used meanwhile.
    request = await asyncio.to_thread(read_request, path, choice.min_size)
    for attempt in range(choice.attempts):
        try:
            # Always with a deadline: a server computes on for callers that have gone.
            answer = await predict(request, timeout=choice.timeout)
            return unpack_labels(answer.outputs["labels"])
        except grpc.aio.AioRpcError as error:
            if attempt + 1 == choice.attempts or not is_worth_another_try(error):
                raise
        await asyncio.sleep(min(LONGEST_PAUSE_S, 0.5 * 2**attempt) * random.uniform(0.5, 1))
    raise AssertionError("not reached")


async def report(predict, path: Path, choice: argparse.Namespace, at_once: asyncio.Semaphore):
    """What became of a scan, in words that a program reads."""
    try:
        async with at_once:
            labels = await segment(predict, path, choice)
    except grpc.aio.AioRpcError as error:
        return {"scan": str(path), "error": error.code().name, "details": error.details()}
    except (OSError, ValueError, nib.filebasedimages.ImageFileError) as error:
        return {"scan": str(path), "error": "SCAN", "details": str(error)}
    values, counts = np.unique(labels, return_counts=True)
    return {"scan": str(path), "voxels": dict(zip(values.tolist(), counts.tolist(), strict=True))}


async def run(choice: argparse.Namespace) -> int:
    """Segments all scans; 1 if one failed. SIGTERM and Ctrl-C cancel what is under way."""
    mine = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, mine.cancel)
    at_once = asyncio.Semaphore(choice.at_once)
    failed = 0
    async with grpc.aio.insecure_channel(choice.address, OPTIONS) as channel:
        predict = channel.unary_unary(
            PREDICT,
            request_serializer=wire.PredictRequest.SerializeToString,
            response_deserializer=wire.PredictResponse.FromString,
        )
        scans = [asyncio.create_task(report(predict, p, choice, at_once)) for p in choice.scans]
        try:
            for done in asyncio.as_completed(scans):
                told = await done
                failed += "error" in told
                print(json.dumps(told), flush=True)
        finally:
            for scan in scans:
                scan.cancel()
            await asyncio.gather(*scans, return_exceptions=True)
    return min(failed, 1)


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--at-once", type=int, default=10, help="requests under way")
    parser.add_argument("--timeout", type=float, default=600, help="deadline of a try, in seconds")
    parser.add_argument("--attempts", type=int, default=8)
    parser.add_argument("--min-size", type=int, default=128, help="least network grid per axis")
    try:
        return asyncio.run(run(parser.parse_args()))
    except asyncio.CancelledError:
        print("cancelled", file=sys.stderr)
        return 143


if __name__ == "__main__":
    sys.exit(main())
