"""Requests whose bytes are no message: refused as the caller's mistake, and counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import grpc

log = logging.getLogger(__name__)

_LOG_EVERY_S = 300.0


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
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """The method's handler with another way of reading requests."""
        handler = continuation(handler_call_details)
        if handler is None or handler.request_streaming:  # none of the services streams requests
            return handler
        make, behaviour = (
            (grpc.unary_stream_rpc_method_handler, handler.unary_stream)
            if handler.response_streaming
            else (grpc.unary_unary_rpc_method_handler, handler.unary_unary)
        )
        return make(
            self._checked(behaviour, handler_call_details.method),
            _lenient(handler.request_deserializer),
            handler.response_serializer,
        )

    def report(self) -> None:
        """Says how many there were since the last line, if any."""
        with self._lock:
            new, self._told = self.count - self._told, self.count
        if new:
            log.warning("%d more requests were no message; %d in all", new, self.count)

    def _checked(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        # With the attributes by which the health service asks to be called otherwise.
        @wraps(behaviour)
        def answer(request: object, context: grpc.ServicerContext, *more: object) -> Any:
            if isinstance(request, _NoMessage):
                self._note(request, method, context.peer())
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"the {request.size_bytes} bytes of this request are no message that {method} "
                    "takes",
                )
            return behaviour(request, context, *more)

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


def _lenient(deserialize: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        try:
            return deserialize(data)
        except Exception:  # gRPC does as much, and logs it
            return _NoMessage(len(data))

    return read
