"""What the commands of this project share: errors in one line, one policy of exit codes; light."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from synthseg_common.errors import (
    INTERRUPTED,
    TERMINATED,
    TRY_AGAIN,
    WRONG_USE,
    SynthSegError,
    exit_code_of,
)
from synthseg_common.telemetry.choice import LogChoice, log_options


class UsageProblem(click.ClickException):
    """An error of the user's, told in one line."""

    exit_code = WRONG_USE


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which schedulers end jobs: whoever tidies up after Ctrl-C does so after it."""


@contextmanager
def terminable() -> Iterator[None]:
    """While it is open, SIGTERM raises `Terminated`; outside of the main thread it does nothing.

    A process has one handler for a signal, so this is global; the one before comes back at the end.
    Without a handler the system would end a process at once, workers and files left behind, and the
    first process of a container, which is spared what it has no handler for, would not end at all.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: object) -> None:
    raise Terminated


def _keep_the_end_quiet() -> None:
    """Drops what libraries say of work that was broken off, while the process ends.

    Logging and hooks are the whole process's, which has nothing more to tell.
    """
    import logging  # which a command that only prints its help does without

    def mute() -> None:
        logging.disable(logging.CRITICAL)
        sys.unraisablehook = lambda _: None

    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)  # it speaks before `atexit` does
    atexit.register(mute)  # the last one registered is the first to be called


class ErrorReportingGroup(click.Group):
    """Turns this project's own errors, missing extras and signals into one line and an exit code.

    Every command gets the options of the log. Where it is JSON, what ends the command is an event.

    Args:
        extra: What to install when a package is missing.
        texts: Whether what the commands say names no scan.
        options: As `click.Group` takes them.
    """

    def __init__(self, *args: Any, extra: str = "all", texts: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.extra = extra
        self.texts = texts

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Takes a command, which gets the options of the log."""
        cmd.params.extend(log_options())
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        with LogChoice(ctx, texts=self.texts) as choice:
            try:
                return self._invoke(ctx)
            except click.ClickException as error:
                if not choice.failed(error.exit_code, error.__cause__ or error, error.message):
                    raise
                sys.exit(error.exit_code)
            except SystemExit as end:
                choice.finished(end.code if isinstance(end.code, int) else TRY_AGAIN)
                raise

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            with terminable():
                return super().invoke(ctx)
        except SynthSegError as error:
            wrong_use = exit_code_of(error) == WRONG_USE
            raise (UsageProblem if wrong_use else click.ClickException)(str(error)) from error
        except KeyboardInterrupt as stop:
            _keep_the_end_quiet()
            terminated = isinstance(stop, Terminated)
            from synthseg_common.telemetry.log import note

            note("Terminated." if terminated else "Interrupted.")
            sys.exit(TERMINATED if terminated else INTERRUPTED)
        except ModuleNotFoundError as error:
            raise UsageProblem(
                f"{error.name} is not installed: pip install 'synthseg-serving[{self.extra}]'."
            ) from error
