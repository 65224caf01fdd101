"""What a run shows: how far it is, and TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from synthseg_trainer.errors import OutageError
from synthseg_trainer.runs.checkpoints import prepare_folder
from synthseg_trainer.runs.progress_display import Display, Silent, open_display

if TYPE_CHECKING:
    from synthseg_trainer.config import TrainSettings
    from synthseg_trainer.training.held_out import HeldOutScores
    from synthseg_trainer.training.state import Training


class RunLog:
    """Progress on the terminal or in a log, and TensorBoard under `RUN/logs`; by one worker.

    Raises:
        CheckpointError: `RUN/logs` cannot be written.
        OutageError: It cannot any more, later.
    """

    def __init__(self, run: Path, training: Training, settings: TrainSettings) -> None:
        self._folder = run / "logs"
        self._writer = tf.summary.create_noop_writer()
        self._display: Display = Silent()
        if training.writes:
            prepare_folder(self._folder)
            with self._writes():
                self._writer = tf.summary.create_file_writer(str(self._folder))
            self._display = open_display(settings.total_steps, training.step)
        self._every = settings.log_steps
        self._loss: tuple[str, float] | None = None
        self._logged: tuple[int, float] | None = None

    def step(self, step: int, stage: str, loss: float, learning_rate: float) -> None:
        """Notes a finished step."""
        known = self._loss
        # Losses of two stages are different quantities.
        mean = loss if known is None or known[0] != stage else 0.98 * known[1] + 0.02 * loss
        self._loss = stage, mean
        self._display.step(step, stage, mean)
        if step % self._every == 0:
            self.scalars(step, {"loss": loss, "learning_rate": learning_rate, **self._speed(step)})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes named values."""
        with self._writes(), self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def validated(self, step: int, scores: HeldOutScores) -> None:
        """Writes Dice per structure and the picture, and says the mean."""
        each = {f"dice/{scores.names[value]}": dice for value, dice in scores.dice.items()}
        self.scalars(step, {"dice/mean": scores.mean, **each})
        with self._writes(), self._writer.as_default(step=step):
            tf.summary.image("sample, target, answer", scores.picture[None])
        self.say(f"step {step}: mean Dice on held-out maps {scores.mean:.3f}")

    def say(self, line: str) -> None:
        """Prints a line."""
        self._display.say(line)

    def close(self) -> None:
        """Ends the display and flushes what TensorBoard reads."""
        self._display.close()
        with self._writes():
            self._writer.close()

    @contextmanager
    def _writes(self) -> Iterator[None]:
        """Says where TensorFlow could not write, in a line of ours."""
        try:
            yield
        except tf.errors.OpError as error:
            # "{{node}} <file>; File too large", then lines on TensorFlow's own files.
            reason = error.message.splitlines()[0].rpartition("; ")[2]
            raise OutageError(
                f"{self._folder} cannot be written: {reason}. "
                "Give it rights and room, then go on with --resume."
            ) from error

    def _speed(self, step: int) -> dict[str, float]:
        """Steps per second since the last time; nothing at the first."""
        before, now = self._logged, time.monotonic()
        self._logged = step, now
        if before is None or now <= before[1]:
            return {}
        return {"steps_per_second": (step - before[0]) / (now - before[1])}
