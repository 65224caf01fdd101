"""The server that the client starts for itself: a child process that ends when the client does."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from synthseg_common import contract
from synthseg_common.official_weights import find_official, refuse_missing
from synthseg_common.telemetry.log import note

from synthseg_client.errors import EmbeddedServerError
from synthseg_client.server_log import last_words

SERVER_PACKAGE = "synthseg_serving"
START_TIMEOUT_S = 300.0
"""How long a server may take until it is ready: the first start makes the shipped model servable.
"""
IMPORT_TIMEOUT_S = 1800.0
"""The same where official weights may have to be made servable first, one process for all that
start together.
"""
_STOP_TIMEOUT_S = 20.0
_SAY_EVERY_S = 30.0
_SOCKET_PATH_LIMIT = 100  # the system allows 107 bytes

_NOT_INSTALLED = (
    "no --server was given, and this installation cannot start one. Either name a running one "
    "(--server HOST:PORT), or install the server beside the client: "
    "pip install 'synthseg-serving[serving]'."
)


def is_installed() -> bool:
    """Whether a server can be started here."""
    return (
        importlib.util.find_spec(SERVER_PACKAGE) is not None
        and importlib.util.find_spec("tensorflow") is not None
    )


@dataclass(frozen=True, kw_only=True)
class LocalModels:
    """Which models a server that is started here serves: its own, and of the official networks.

    They are those of `$SYNTHSEG_MODELS`, else of `$FREESURFER_HOME/models`, made servable once;
    each is loaded when it is first asked.

    Attributes:
        names: As they are served.
        official: Whether the official plain network takes the place of the server's own model.
        small: Whether its own model is the small one.
    """

    names: tuple[str, ...] = ()
    official: bool = False
    small: bool = False

    @property
    def are_imported(self) -> bool:
        """Whether official weights have to be made servable first."""
        return self.official or bool(self.names)

    def arguments(self) -> list[str]:
        """Of the command that starts the server.

        Raises:
            UsageError: A weights' file is missing.
        """
        wanted = (*self.names, contract.MODEL_NAME) if self.official else self.names
        size = ["--small"] if self.small and not self.official else []
        if not wanted:
            return size
        folder = find_official()
        refuse_missing(folder, wanted)
        own = [] if self.official else ["--own-model"]
        return ["--official", str(folder.absolute()), "--on-demand", *own, *size]


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """How to start a server here.

    Attributes:
        model_dir: Model to serve; None is the shipped one.
        models: What else it has to serve.
        threads: Cores to use; None is all that this process may use.
        cpu: Whether to leave a GPU alone.
        log: Where the server's messages go when it has stopped; None keeps them for error messages
            only.
        start_timeout_s: How long it may take until it is ready; None allows what it has to do.
    """

    model_dir: Path | None = None
    models: LocalModels = LocalModels()
    threads: int | None = None
    cpu: bool = False
    log: IO[str] | None = None
    start_timeout_s: float | None = None

    def start(self) -> EmbeddedServer:
        """A server for a `with` block, at whose beginning it starts."""
        limit_s = IMPORT_TIMEOUT_S if self.models.are_imported else START_TIMEOUT_S
        return EmbeddedServer(
            self.model_dir,
            threads=self.threads,
            cpu=self.cpu,
            log=self.log,
            start_timeout_s=self.start_timeout_s or limit_s,
            more=self.models.arguments(),
        )


class EmbeddedServer:
    """A model server in a child process, for the length of a `with` block.

    It listens on a unix socket in a folder that only this user may enter, and ends with this
    process however that ends: it watches its standard input, whose other end is held here, and asks
    the kernel to be told.

    Args:
        model_dir: Model to serve; None is the shipped one.
        threads: Cores to use; None is all that this process may use.
        cpu: Whether to leave a GPU alone.
        log: Where the server's messages go; None keeps them for error messages only.
        start_timeout_s: How long it may take until it is ready.
        more: Further arguments of its command.

    Attributes:
        address: Where it listens, `unix:/...`.
    """

    def __init__(
        self,
        model_dir: Path | None = None,
        *,
        threads: int | None = None,
        cpu: bool = False,
        log: IO[str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        more: Sequence[str] = (),
    ) -> None:
        self._folder = _private_folder()
        self.address = f"unix:{self._folder / 's.sock'}"
        self._command = [sys.executable, "-m", SERVER_PACKAGE, "serve"]
        self._command += [os.fspath(model_dir.absolute())] if model_dir else []
        self._command += ["--address", self.address, "--parent-death"]
        self._command += ["--threads", str(threads)] if threads else []
        self._command += ["--cpu"] if cpu else []
        self._command += ["--verbose"] if log is not None else []
        self._command += more
        self._log_path = self._folder / "server.log"
        self._log = log
        self._start_timeout_s = start_timeout_s
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> EmbeddedServer:
        try:
            if not is_installed():
                raise EmbeddedServerError(_NOT_INSTALLED)
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process number of the running server."""
        return self._child.pid if self._child else None

    def restart_if_dead(self) -> bool:
        """Starts the server again if it has died; returns whether it had.

        Raises:
            EmbeddedServerError: It does not start any more.
        """
        with self._lock:
            if self._child is None or self._finished.is_set():
                return False
            # A socket breaks a moment before its process is gone.
            try:
                self._child.wait(2)
            except subprocess.TimeoutExpired:
                return False
            _close_pipes(self._child)
            self._start()
            return True

    def give_up(self) -> None:
        """Starts no server again; whoever waits for one to start waits no longer."""
        self._finished.set()
        self._lines.put("")

    def stop(self) -> None:
        """Asks the server to finish, waits, and removes what it left."""
        self._finished.set()
        child, self._child = self._child, None
        if child is not None:
            child.terminate()
            try:
                child.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                # What waits for a disk ends when the disk answers.
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_STOP_TIMEOUT_S)
            _close_pipes(child)
        self._copy_log()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        Path(self.address.removeprefix("unix:")).unlink(missing_ok=True)
        started: queue.Queue[subprocess.Popen[str] | OSError] = queue.Queue()
        # The kernel's signal comes when the thread that started the child ends, so that thread has
        # to last.
        threading.Thread(
            target=self._spawn, args=(started,), daemon=True, name="embedded-server"
        ).start()
        child = started.get()
        if isinstance(child, OSError):
            raise EmbeddedServerError(f"the embedded server cannot be started: {child}.")
        self._child = child
        self._wait_until_ready(child)

    def _spawn(self, started: queue.Queue[subprocess.Popen[str] | OSError]) -> None:
        try:
            with self._log_path.open("a") as log:
                child = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    start_new_session=True,  # Ctrl-C reaches the client alone, which then stops it
                )
        except OSError as error:
            started.put(error)
            return
        started.put(child)
        self._finished.wait()

    def _wait_until_ready(self, child: subprocess.Popen[str]) -> None:
        lines: queue.Queue[str] = queue.Queue()
        self._lines = lines
        stdout = child.stdout
        threading.Thread(
            target=lambda: _forward(stdout, lines), daemon=True, name="embedded-server-out"
        ).start()
        begun = time.monotonic()
        while True:
            left_s = begun + self._start_timeout_s - time.monotonic()
            try:
                wait_s = min(max(left_s, 0), _SAY_EVERY_S)
                line = "" if self._finished.is_set() else lines.get(timeout=wait_s)
            except queue.Empty:
                if left_s > _SAY_EVERY_S:
                    _say_that_it_starts(time.monotonic() - begun, self._start_timeout_s)
                    continue
                raise EmbeddedServerError(
                    f"the embedded server was not ready after {self._start_timeout_s:.0f} s."
                    f"{last_words(self._log_path)}"
                ) from None
            if not line:
                raise EmbeddedServerError(
                    f"the embedded server ended while starting.{last_words(self._log_path)}"
                )
            if _is_ready(line):
                return

    def _copy_log(self) -> None:
        if self._log is not None and self._log_path.exists():
            self._log.write(self._log_path.read_text(errors="replace"))


def _say_that_it_starts(waited_s: float, limit_s: float) -> None:
    note(
        f"The server started here is not ready after {waited_s:.0f} s (the first start prepares "
        f"the model); waiting up to {limit_s:.0f} s."
    )


def _private_folder() -> Path:
    """A new folder with mode 0700 whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="synthseg-"))
    if len(os.fsencode(folder)) > _SOCKET_PATH_LIMIT - len("/s.sock"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="synthseg-", dir="/tmp"))
    return folder


def _close_pipes(child: subprocess.Popen[str]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()


def _forward(stream: IO[str] | None, lines: queue.Queue[str]) -> None:
    """Passes lines on until the stream ends, then an empty one."""
    try:
        for line in stream or ():
            lines.put(line)
    except ValueError:  # closed while reading
        pass
    lines.put("")


def _is_ready(line: str) -> bool:
    try:
        return "address" in json.loads(line)
    except (ValueError, TypeError):
        return False
