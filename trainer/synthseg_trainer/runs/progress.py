"""What a run shows: how far it is, TensorBoard, and the end that a signal asks for."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import tensorflow as tf

from synthseg_trainer.errors import OutageError
from synthseg_trainer.runs.checkpoints import prepare_folder
from synthseg_trainer.runs.progress_display import Display, Silent, open_display
from synthseg_trainer.signals import SignalWatch

if TYPE_CHECKING:
    from synthseg_trainer.config import TrainSettings
    from synthseg_trainer.training.held_out import HeldOutScores
    from synthseg_trainer.training.state import Training

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None
"""As Python takes and gives it; `None` of one that C code set."""


class Interruption:
    """Remembers SIGTERM and SIGINT, so that a run ends after the step in hand, saved.

    A second signal acts at once. Handlers are the process's own, so those before come back.

    Args:
        watch: What would end the process at the first; `None` where nothing does.
    """

    def __init__(self, watch: SignalWatch | None = None) -> None:
        self.asked = False
        self._watch = watch or SignalWatch()
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._remember)
        self._watch.spare(1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.spare(0)
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)


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
