"""A server that outlives the call that started it, for later calls of the same user."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from synthseg_common.errors import reason_of
from synthseg_common.locking import locked

from synthseg_client import __version__
from synthseg_client import messages_pb2 as wire
from synthseg_client.calls.channel import ServerAddress, open_channel
from synthseg_client.calls.methods import STATUS
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.embedded import SERVER_PACKAGE, is_installed
from synthseg_client.errors import EmbeddedServerError
from synthseg_client.mri_synthseg.private_folder import private_folder
from synthseg_client.server_log import last_words

_KEY_DIGITS = 16
_QUEUE = 64  # many calls at once share it
_LOOK_EVERY_S = 0.2
_SAY_AFTER_S = 30.0
_STOP_TIMEOUT_S = 10.0
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# Python warns of children that it forgets.
_GONE_ON: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, kw_only=True)
class KeptServer:
    """A server on a unix socket, found again by what it serves and how.

    Attributes:
        arguments: Of the command that starts it.
        stamps: What else it must be the same for: states of the weights' files.
        minutes: How long it stays when nobody asks; that of the call that started it counts.
        start_timeout_s: How long it may take until it is ready.
        answer_timeout_s: After how long without an answer it counts as hung.
        tell: Takes lines for the user.
        folder: Of this user alone.
    """

    arguments: Sequence[str]
    stamps: Sequence[str]
    minutes: float
    start_timeout_s: float
    answer_timeout_s: float = 60.0
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)
    folder: Path = field(default_factory=private_folder)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"unix:{self._file('sock')}"

    @property
    def log(self) -> Path:
        """Where its messages go."""
        return self._file("log")

    @property
    def pid(self) -> int | None:
        """Process number of the server that was started last, if it runs."""
        try:
            pid = int(self._file("pid").read_text())
            # A number may be another process's by now.
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.address) in command else None

    def start_if_needed(self) -> bool:
        """Starts it unless it answers; of many processes one does; returns whether it did.

        Raises:
            EmbeddedServerError: It cannot be started.
        """
        if self._answers():
            return False
        try:
            return self._start_alone()
        except OSError as error:
            raise EmbeddedServerError(
                f"{self.folder}: cannot be written, as the server that is kept needs it: "
                f"{reason_of(error)}. Make room, or leave --keep-server out."
            ) from error

    def _start_alone(self) -> bool:
        doing = "the server that is kept is started"
        with locked(self._file("lock"), doing, self.start_timeout_s) as alone:
            if not alone:
                raise EmbeddedServerError(
                    f"another process has been starting the server that is kept for "
                    f"{self.start_timeout_s:.0f} s, see {self.log}: try again, or leave "
                    "--keep-server out."
                )
            if self._answers():
                return False
            self._replace()
            return True

    def _answers(self) -> bool:
        """Whether it takes requests; asking counts as use, so that it does not end just now."""
        if not self._file("sock").exists():
            return False
        request = wire.GetModelStatusRequest(model_spec=ModelChoice().to_spec())
        with open_channel(ServerAddress(target=self.address)) as channel:
            try:
                STATUS.over(channel)(request, timeout=self.answer_timeout_s)
            except grpc.RpcError as error:
                return error.code() not in _NO_ANSWER
        return True

    def _replace(self) -> None:
        """Ends what does not answer, and starts another; held: the lock."""
        if not is_installed():
            raise EmbeddedServerError(
                "no --server was given, and this installation cannot start one: pip install "
                "'synthseg-serving[serving]'."
            )
        if self.pid is not None:
            self.tell(f"The server that was kept does not answer: starting another ({self.log}).")
            self._end()
        for kind in ("sock", "ready"):
            self._file(kind).unlink(missing_ok=True)
        child = self._spawn()
        try:
            self._file("pid").write_text(str(child.pid))
            self._wait_until_ready(child)
        except BaseException:
            child.kill()
            child.wait(_STOP_TIMEOUT_S)
            raise

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", SERVER_PACKAGE, "serve", *self.arguments]
        command += ["--address", self.address, "--ready-file", str(self._file("ready"))]
        command += ["--idle-minutes", f"{self.minutes:g}", "--queue", str(_QUEUE), "--verbose"]
        try:
            with self.log.open("wb") as log:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,  # a folder of data may be unmounted meanwhile
                    start_new_session=True,  # it outlives us, and Ctrl-C is not for it
                )
        except OSError as error:
            raise EmbeddedServerError(f"the server cannot be started: {error}.") from error

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        started = time.monotonic()
        say_after_s = _SAY_AFTER_S
        while not self._file("ready").exists():
            waited_s = time.monotonic() - started
            if child.poll() is not None:
                raise EmbeddedServerError(f"the server ended while starting.{last_words(self.log)}")
            if waited_s > self.start_timeout_s:
                raise EmbeddedServerError(
                    f"the server was not ready after {waited_s:.0f} s.{last_words(self.log)}"
                )
            if waited_s > say_after_s:
                say_after_s += _SAY_AFTER_S
                self.tell(
                    f"The server is not ready after {waited_s:.0f} s (the first start prepares "
                    f"the weights); waiting up to {self.start_timeout_s:.0f} s."
                )
            time.sleep(_LOOK_EVERY_S)
        _GONE_ON.append(child)

    def _end(self) -> None:
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)  # it does not answer: it would not obey
        end = time.monotonic() + _STOP_TIMEOUT_S
        while self.pid is not None and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self._key}.{kind}"

    @property
    def _key(self) -> str:
        """Changes with what is served, how, from which state of the files, and by which version."""
        devices = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        told = [__version__, sys.executable, devices, *self.arguments, *self.stamps]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:_KEY_DIGITS]


def stamps_of(paths: Sequence[Path]) -> Iterator[str]:
    """What changes when files do: place, size and time of each that is there."""
    for path in paths:
        with contextlib.suppress(OSError):
            state = path.stat()
            yield f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
