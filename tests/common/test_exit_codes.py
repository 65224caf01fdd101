"""One policy of exit codes, for every command."""

from __future__ import annotations

import errno
import os
import signal
import sys

import pytest
from click.testing import CliRunner
from synthseg_client.cli import main as client
from synthseg_client.errors import (
    ScanError,
    ServerBusyError,
    ServerUnreachableError,
    UnknownModelError,
    UsageError,
)
from synthseg_common.errors import TRY_AGAIN, WRONG_USE, ImageError, OutputError, exit_code_of
from synthseg_generator.cli import main as generator
from synthseg_generator.errors import ConfigError, LabelError, SchedulerError, StoreError
from synthseg_serving.cli import main as serving
from synthseg_serving.errors import ExportError, ModelError, StartError
from synthseg_trainer.cli import main as trainer
from synthseg_trainer.errors import CheckpointError, OutageError


def because(error: Exception, number: int) -> Exception:
    """The same error, for what the system said."""
    error.__cause__ = OSError(number, os.strerror(number))
    return error


@pytest.mark.parametrize(
    "kind", [OutputError, StoreError, CheckpointError, ExportError, ModelError, StartError]
)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, TRY_AGAIN),
        (errno.EIO, TRY_AGAIN),
        (errno.EACCES, TRY_AGAIN),
        (errno.ENOTDIR, WRONG_USE),
        (errno.ENOENT, WRONG_USE),
    ],
)
def test_a_disk_that_fails_is_another_try_in_every_part_and_a_wrong_path_is_not(
    kind: type[Exception], number: int, code: int
) -> None:
    assert exit_code_of(because(kind("words."), number)) == code


@pytest.mark.parametrize(
    "kind", [ConfigError, LabelError, UsageError, UnknownModelError, ImageError]
)
def test_what_the_user_must_change_is_wrong_use(kind: type[Exception]) -> None:
    assert exit_code_of(kind("words.")) == WRONG_USE


@pytest.mark.parametrize(
    "kind", [SchedulerError, OutageError, ServerUnreachableError, ServerBusyError]
)
def test_what_is_around_the_program_is_another_try(kind: type[Exception]) -> None:
    assert exit_code_of(kind("words.")) == TRY_AGAIN


def test_a_scan_that_failed_is_one_of_some() -> None:
    assert exit_code_of(ScanError("words.")) == TRY_AGAIN


LOADS = {
    "client": (client, ["labels", "--server", "localhost:1"], "synthseg_client.commands.labels"),
    "generator": (generator, ["check", "none.zarr"], "synthseg_generator.check.linter"),
    "serving": (serving, ["export", "none", "none"], "synthseg_serving.sources"),
    "trainer": (trainer, ["recipes"], "synthseg_trainer.config"),
}


class _Signals:
    """Sends this process a signal when a module is imported."""

    def __init__(self, name: str, number: signal.Signals) -> None:
        self.name = name
        self.number = number

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Finds nothing."""
        if name == self.name:
            signal.raise_signal(self.number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("part", LOADS)
def test_a_signal_ends_every_part_alike_even_while_it_loads(
    part: str, number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's first process would not hear of SIGTERM without a handler."""
    main, words, module = LOADS[part]
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Signals(module, number), *sys.meta_path])
    before = signal.getsignal(signal.SIGTERM)
    run = CliRunner().invoke(main, words)
    assert run.exit_code == code
    assert run.output in ("Interrupted.\n", "Terminated.\n", "synthseg-client: interrupted.\n")
    assert signal.getsignal(signal.SIGTERM) == before
