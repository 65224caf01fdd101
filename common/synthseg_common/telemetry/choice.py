"""The options of every command that say what its log looks like, and the log while it runs."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from synthseg_common.errors import SynthSegError

if TYPE_CHECKING:
    from synthseg_common.telemetry.log import JsonLog

FORMAT_VARIABLE = "SYNTHSEG_LOG_FORMAT"
NAMES_VARIABLE = "SYNTHSEG_LOG_NAMES"
_JSON = "json"
_CHOICE = "synthseg_common.telemetry"
_ENDS = (SystemExit, click.exceptions.Exit, click.Abort)


def log_options() -> list[click.Parameter]:
    """Options for one command; they act before the command's own are read."""
    return [
        click.Option(
            ["--log-format"],
            type=click.Choice(["text", _JSON]),
            default="text",
            show_default=True,
            envvar=FORMAT_VARIABLE,
            show_envvar=True,
            is_eager=True,
            expose_value=False,
            callback=_begin,
            help="How to write on standard error: text, or one JSON object a line, which names no "
            "scan.",
        ),
        click.Option(
            ["--log-names"],
            is_flag=True,
            envvar=NAMES_VARIABLE,
            show_envvar=True,
            expose_value=False,
            callback=_take_names,
            help="Let the JSON log name scans by their paths, and give the texts of errors.",
        ),
    ]


def _begin(ctx: click.Context, _: click.Parameter, value: str) -> str:
    choice = ctx.meta.get(_CHOICE)
    if value == _JSON and isinstance(choice, LogChoice) and not ctx.resilient_parsing:
        choice.begin(f"{Path(ctx.find_root().info_name or '').name} {ctx.info_name}")
    return value


def _take_names(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    choice = ctx.meta.get(_CHOICE)
    if value and isinstance(choice, LogChoice):
        choice.allow_names()
    return value


class LogChoice:
    """The log of one run of a command.

    Args:
        ctx: Of the group; its commands find this there.
        texts: Whether what the commands say names no scan.
    """

    def __init__(self, ctx: click.Context, *, texts: bool) -> None:
        self._texts = texts
        self._open = ExitStack()
        self._log: JsonLog | None = None
        self._begun_s = time.monotonic()
        self._told = False
        ctx.meta[_CHOICE] = self

    def __enter__(self) -> LogChoice:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._log is not None and error is not None and not isinstance(error, _ENDS):
            sys.excepthook(type(error), error, trace)
            self.finished(1)
            self._open.close()
            sys.exit(1)
        self.finished(0)
        self._open.close()

    def begin(self, command: str) -> None:
        """Makes the log JSON, from now to the end."""
        from synthseg_common.telemetry.log import json_log
        from synthseg_common.telemetry.meters import package_version

        self._log = self._open.enter_context(json_log(command, names=False, texts=self._texts))
        self._log.write("command.started", "info", {"version": package_version()})

    def allow_names(self) -> None:
        """Lets the log name scans."""
        if self._log is not None:
            self._log.names = True
            os.environ[NAMES_VARIABLE] = "1"  # as json_log, which gives it back, does for children

    def failed(self, exit_code: int, error: BaseException, message: str) -> bool:
        """Tells what ends the command; returns whether the log is JSON."""
        if self._log is None:
            return False
        safe = self._texts or (isinstance(error, SynthSegError) and error.names_no_scan)
        fields: dict[str, Any] = {"exit_code": exit_code, "seconds": self._seconds()}
        fields |= {"error_kind": type(error).__name__, **self._log.text(message, safe=safe)}
        self._log.write("command.failed", "error", fields)
        self._told = True
        return True

    def finished(self, exit_code: int) -> None:
        """Tells that the command is through, unless it was told why it ended."""
        if self._log is not None and not self._told:
            self._told = True
            level = "warning" if exit_code else "info"
            fields = {"exit_code": exit_code, "seconds": self._seconds()}
            self._log.write("command.finished", level, fields)

    def _seconds(self) -> float:
        return round(time.monotonic() - self._begun_s, 3)


def command_failed(exit_code: int, error: BaseException) -> bool:
    """Tells the log what ends the command that runs; returns whether the log is JSON."""
    ctx = click.get_current_context(silent=True)
    choice = ctx.meta.get(_CHOICE) if ctx is not None else None
    return isinstance(choice, LogChoice) and choice.failed(exit_code, error, str(error))
