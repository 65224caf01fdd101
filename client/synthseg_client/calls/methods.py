"""The remote procedures that are called, with the messages that go there and come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from synthseg_client import messages_pb2 as wire

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Answer]):
    """A remote procedure of one request and one answer.

    Attributes:
        path: Service and method, as gRPC writes them.
        request: Type of the message that goes there.
        answer: Type of the message that comes back.
    """

    path: str
    request: type[Request]
    answer: type[Answer]

    def over(self, channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[Request, Answer]:
        """The procedure as one calls it over a channel."""
        return channel.unary_unary(
            self.path,
            request_serializer=self.request.SerializeToString,
            response_deserializer=self.answer.FromString,
        )


PREDICT = Method(
    "/tensorflow.serving.PredictionService/Predict", wire.PredictRequest, wire.PredictResponse
)
METADATA = Method(
    "/tensorflow.serving.PredictionService/GetModelMetadata",
    wire.GetModelMetadataRequest,
    wire.GetModelMetadataResponse,
)
STATUS = Method(
    "/tensorflow.serving.ModelService/GetModelStatus",
    wire.GetModelStatusRequest,
    wire.GetModelStatusResponse,
)
HEALTH = Method("/grpc.health.v1.Health/Check", wire.HealthCheckRequest, wire.HealthCheckResponse)
