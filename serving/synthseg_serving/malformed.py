"""Requests whose bytes are no message: refused as the caller's mistake, and counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar, cast

import grpc

log = logging.getLogger(__name__)

_LOG_EVERY_S = 300.0
Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class _NoMessage:
    """What stands for a request that could not be read."""

    size_bytes: int


class MalformedRequests(grpc.ServerInterceptor):
    """Answers INVALID_ARGUMENT where gRPC would answer INTERNAL and log a traceback.

    gRPC reads a request before the service sees it. Here reading never fails; a request that could
    not be read goes to this class instead of the service.
    """

    def __init__(self, log_every_s: float = _LOG_EVERY_S) -> None:
        """Starts at zero.

        Args:
            log_every_s: One line in so many seconds at most tells how many there were.
        """
        self.count = 0
        self._told = 0
        self._log_every_s = log_every_s
        self._next_line_at = 0.0
        self._lock = threading.Lock()

    def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], grpc.RpcMethodHandler[Request, Answer] | None
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Request, Answer] | None:
        """The method's handler with another way of reading requests."""
        handler, method = continuation(handler_call_details), handler_call_details.method
        if handler is None or handler.request_deserializer is None:
            return handler
        read, write = _lenient(handler.request_deserializer), handler.response_serializer
        if handler.unary_unary is not None:
            answer = self._checked(handler.unary_unary, method)
            return grpc.unary_unary_rpc_method_handler(answer, read, write)
        if handler.unary_stream is not None:
            stream = self._checked(handler.unary_stream, method)
            return grpc.unary_stream_rpc_method_handler(stream, read, write)
        return handler  # none of the services streams requests

    def report(self) -> None:
        """Says how many there were since the last line, if any."""
        with self._lock:
            new, self._told = self.count - self._told, self.count
        if new:
            log.warning("%d more requests were no message; %d in all", new, self.count)

    def _checked(
        self, behaviour: Callable[[Request, grpc.ServicerContext], Answer], method: str
    ) -> Callable[[Request, grpc.ServicerContext], Answer]:
        # The health service takes one argument more than gRPC tells of.
        told: Callable[..., Answer] = behaviour

        # With the attributes by which the health service asks to be called otherwise.
        @wraps(behaviour)
        def answer(request: Request, context: grpc.ServicerContext, *more: object) -> Answer:
            if isinstance(request, _NoMessage):
                self._note(request, method, context.peer())
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"the {request.size_bytes} bytes of this request are no message that {method} "
                    "takes",
                )
            return told(request, context, *more)

        return answer

    def _note(self, request: _NoMessage, method: str, peer: str) -> None:
        now = time.monotonic()
        with self._lock:
            self.count += 1
            if now < self._next_line_at:
                return
            self._next_line_at = now + self._log_every_s
            self._told = count = self.count
        log.warning(
            "%d requests were no message so far; the last had %d bytes, for %s, from %s",
            count,
            request.size_bytes,
            method,
            peer,
        )


def _lenient(deserialize: Callable[[bytes], Request]) -> Callable[[bytes], Request]:
    def read(data: bytes) -> Request:
        try:
            return deserialize(data)
        except Exception:  # gRPC does as much, and logs it
            # gRPC hands on whatever reading returns; `_checked` tells it from a request.
            return cast("Request", _NoMessage(len(data)))

    return read
