"""An interceptor that watches predictions: metrics, a span and an event for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import grpc
from synthseg_common import contract
from synthseg_common.telemetry import trace
from synthseg_common.telemetry.log import emit

from synthseg_serving.watching.calls import Call, answering
from synthseg_serving.watching.metrics import ServerMetrics

_WATCHED = "/tensorflow.serving.PredictionService/Predict"
_OK = "OK"


class Watch(grpc.ServerInterceptor):
    """Watches predictions.

    Status, health and metadata are not watched: whoever probes a server does not use it.

    Attributes:
        metrics: Where they are counted; None counts nothing.
    """

    def __init__(self, metrics: ServerMetrics | None = None) -> None:
        self.metrics = metrics

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method's handler, watched."""
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        if handler_call_details.method != _WATCHED:
            return handler
        pairs = dict(handler_call_details.invocation_metadata or ())
        sent = pairs.get(trace.HEADER)
        parent = trace.read_header(sent if isinstance(sent, str) else None)
        return grpc.unary_unary_rpc_method_handler(
            self._watched(handler.unary_unary, parent),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _watched(
        self,
        behaviour: Callable[[Any, grpc.ServicerContext], Any],
        parent: trace.TraceContext | None,
    ) -> Callable[[Any, grpc.ServicerContext], Any]:
        @wraps(behaviour)
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            call = Call(request_bytes=request.ByteSize() if hasattr(request, "ByteSize") else 0)
            started = time.perf_counter()
            if self.metrics is not None:
                self.metrics.began(call)
            with trace.span("Predict", "server", parent) as told, answering(call):
                raised = True
                try:
                    response = behaviour(request, context)
                    raised = False
                finally:
                    seconds = time.perf_counter() - started
                    self._ended(call, told, (_code(context, raised), _reason(context)), seconds)
            return response

        return answer

    def _ended(self, call: Call, told: trace.Span, end: tuple[str, str], seconds: float) -> None:
        code, said = end
        reason = "" if code == _OK else said or code.lower().replace("_", "-")
        if self.metrics is not None:
            self.metrics.ended(call, code, reason, seconds)
        told.error = "" if code == _OK else code
        facts: dict[str, Any] = {"model": call.model, "version": call.version}
        facts |= {"signature": call.signature, "voxels": call.voxels}
        told.attributes |= {**facts, "rpc.grpc.status": code, "reason": reason}
        stages = {name: round(spent_s, 4) for name, spent_s in call.seconds.items()}
        emit(
            "request",
            "info" if code == _OK else "warning",
            **facts,
            code=code,
            reason=reason,
            seconds=round(seconds, 4),
            stages=stages,
            request_bytes=call.request_bytes,
            answer_bytes=call.answer_bytes,
        )


def _code(context: Any, raised: bool) -> str:
    """The code that the caller is told."""
    code = context.code()
    if code is None:
        return "UNKNOWN" if raised else _OK
    name: str = code.name
    return name


def _reason(context: Any) -> str:
    """Why it was refused, where the code leaves it open."""
    trailing = dict(context.trailing_metadata() or ())
    return str(trailing.get(contract.REASON, ""))
