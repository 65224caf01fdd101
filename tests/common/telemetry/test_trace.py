"""Trace ids: read and written as W3C Trace Context says, made only where somebody listens."""

from __future__ import annotations

import pytest
from synthseg_common.telemetry import trace

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_header_is_read_and_written() -> None:
    found = trace.read_header(HEADER)
    assert found == trace.TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert found is not None
    assert found.header() == HEADER
    child = found.child()
    assert (child.trace_id, child.sampled) == (found.trace_id, True)
    assert child.span_id != found.span_id


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        HEADER.upper(),
        f"{HEADER}-more",
    ],
)
def test_what_is_no_header_begins_a_new_trace(header: str | None) -> None:
    assert trace.read_header(header) is None


def test_later_versions_may_say_more() -> None:
    assert trace.read_header("01" + HEADER[2:-2] + "00-more") == trace.TraceContext(
        "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=False
    )


def test_spans_lie_within_each_other_and_go_to_whoever_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACEPARENT", HEADER)
    heard: list[trace.Span] = []
    with trace.listening(heard.append):
        with trace.span("outer", scans=2) as outer:
            assert trace.current() is outer.context
            with pytest.raises(ConnectionError), trace.span("inner"):
                raise ConnectionError
        assert trace.current() is None
    inner, first = heard
    assert (inner.name, first.name) == ("inner", "outer")
    assert inner.parent == first.context
    assert first.parent == trace.read_header(HEADER), "that of whoever started this program"
    assert (inner.error, first.error) == ("ConnectionError", "")
    assert first.start_ns <= inner.start_ns <= inner.end_ns <= first.end_ns


def test_nothing_is_made_where_nobody_listens() -> None:
    with trace.span("a") as made:
        assert made.context is None
        assert trace.current() is None
    assert not trace.is_on()
