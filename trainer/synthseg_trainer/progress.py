"""What a run shows: a progress bar, TensorBoard scalars, and the end that a signal asks for."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import tensorflow as tf
from tqdm import tqdm

if TYPE_CHECKING:
    from synthseg_trainer.config import TrainSettings
    from synthseg_trainer.training import Training

_LOG_INTERVAL_S = 30.0


class Interruption:
    """Remembers SIGTERM and SIGINT, so that a run ends after the step in hand, saved.

    A second signal acts at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type]


class RunLog:
    """Progress bar, and TensorBoard scalars under `RUN/logs`; shown by the writing worker."""

    def __init__(self, run: Path, training: Training, settings: TrainSettings) -> None:
        self._writer = tf.summary.create_noop_writer()
        if training.writes:
            self._writer = tf.summary.create_file_writer(str(run / "logs"))
        self._bar = tqdm(
            total=settings.total_steps,
            initial=training.step,
            unit="step",
            dynamic_ncols=True,
            smoothing=0.05,
            # A log file gets a line now and then, a terminal a moving bar.
            mininterval=0.1 if sys.stderr.isatty() else _LOG_INTERVAL_S,
            disable=not training.writes,
        )
        self._every = settings.log_steps
        self._mean_loss: float | None = None

    def step(self, step: int, stage: str, loss: float, learning_rate: float) -> None:
        """Notes a finished step."""
        known = self._mean_loss
        self._mean_loss = loss if known is None else 0.98 * known + 0.02 * loss
        self._bar.set_description(stage, refresh=False)
        self._bar.set_postfix(loss=f"{self._mean_loss:.3f}", refresh=False)
        self._bar.update()
        if step % self._every == 0:
            self.scalars(step, {"loss": loss, "learning_rate": learning_rate})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes named values."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        if not self._bar.disable:
            self._bar.write(line)

    def close(self) -> None:
        """Ends the bar and flushes the scalars."""
        self._bar.close()
        self._writer.close()
