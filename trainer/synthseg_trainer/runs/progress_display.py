"""How far a run is, for whoever looks on: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from synthseg_common.telemetry.log import emit
from tqdm import tqdm

LINE_INTERVAL_S = 30.0
_BAR = (
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
    "[{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
)
_SMOOTHING = 0.3


class Display(Protocol):
    """Shows the steps of a run."""

    def step(self, step: int, stage: str, loss: float) -> None:
        """Notes a finished step and the loss to show."""

    def say(self, line: str) -> None:
        """Prints a line of its own."""

    def close(self) -> None:
        """Shows where the run ended."""


def open_display(total: int, done: int, stream: TextIO | None = None) -> Display:
    """A bar if someone looks at it, lines if it is a file.

    Args:
        total: Steps of the run.
        done: Steps done before.
        stream: Where to; standard error by default.
    """
    stream = stream or sys.stderr
    return Bar(total, done, stream) if stream.isatty() else Lines(total, done, stream)


class Silent:
    """Shows nothing: for workers that another one speaks for."""

    def step(self, step: int, stage: str, loss: float) -> None:
        """Shows nothing."""

    def say(self, line: str) -> None:
        """Prints nothing."""

    def close(self) -> None:
        """Ends nothing."""


class Bar:
    """A moving bar: stage, steps, steps a second, time left, loss."""

    def __init__(self, total: int, done: int, stream: TextIO) -> None:
        self._bar = tqdm(
            total=total,
            initial=done,
            unit=" steps",
            dynamic_ncols=True,
            smoothing=0.05,
            bar_format=_BAR,
            file=stream,
        )

    def step(self, step: int, stage: str, loss: float) -> None:
        """Moves on."""
        self._bar.set_description(stage, refresh=False)
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update(step - self._bar.n)

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(line)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._bar.close()


class Lines:
    """A line now and then, with the same figures; no carriage returns."""

    def __init__(
        self, total: int, done: int, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._stream = stream
        self._clock = clock
        self._shown_step, self._shown_at = done, clock()
        self._rate: float | None = None
        self._last: tuple[int, str, float] | None = None

    def step(self, step: int, stage: str, loss: float) -> None:
        """Writes a line if the last one was some time ago."""
        self._last = step, stage, loss
        if step >= self._total or self._clock() - self._shown_at >= LINE_INTERVAL_S:
            self._show()

    def say(self, line: str) -> None:
        """Prints a line."""
        print(line, flush=True)

    def close(self) -> None:
        """Writes a line for the last step, if it has none."""
        if self._last is not None:
            self._show()

    def _show(self) -> None:
        if self._last is None:
            return
        (step, stage, loss), now = self._last, self._clock()
        if emit("progress", stage=stage, done=step, total=self._total, loss=round(loss, 6)):
            self._shown_step, self._shown_at, self._last = step, now, None
            return
        elapsed = max(now - self._shown_at, 1e-9)
        rate = (step - self._shown_step) / elapsed
        known = self._rate
        self._rate = rate if known is None else known + _SMOOTHING * (rate - known)
        left = tqdm.format_interval((self._total - step) / max(self._rate, 1e-9))
        print(
            f"step {step} of {self._total}, {stage}: loss {loss:.3f}, "
            f"{_steps_per_second(rate)}, {left} left",
            file=self._stream,
            flush=True,
        )
        self._shown_step, self._shown_at, self._last = step, now, None


def _steps_per_second(rate: float) -> str:
    """A rate with three digits."""
    return f"{rate:.3g} steps/s"
