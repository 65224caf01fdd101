"""How long nobody has asked a server for anything, for servers that end themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TypeVar

import grpc

_HEALTH = "/grpc.health.v1.Health/"
Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Activity(grpc.ServerInterceptor):
    """Counts calls that are being answered, and knows when the last one was.

    Health checks do not count: whoever watches a server does not use it.
    """

    def __init__(self) -> None:
        """Starts the clock."""
        self._running = 0
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def idle_s(self) -> float:
        """Seconds since the last call was answered; 0 while one is."""
        with self._lock:
            return 0.0 if self._running else time.monotonic() - self._last

    def restart(self) -> None:
        """Counts from now on: the server is ready."""
        with self._lock:
            self._last = time.monotonic()

    def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], grpc.RpcMethodHandler[Request, Answer] | None
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Request, Answer] | None:
        """The method's handler, counted."""
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler  # only health is streamed
        if handler_call_details.method.startswith(_HEALTH):
            return handler
        return grpc.unary_unary_rpc_method_handler(
            self._counted(handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _counted(
        self, behaviour: Callable[[Request, grpc.ServicerContext], Answer]
    ) -> Callable[[Request, grpc.ServicerContext], Answer]:
        @wraps(behaviour)
        def answer(request: Request, context: grpc.ServicerContext) -> Answer:
            with self._call():
                return behaviour(request, context)

        return answer

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._last = time.monotonic()
