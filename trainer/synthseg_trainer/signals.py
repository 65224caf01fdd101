"""SIGTERM and SIGINT: they end a command, even inside of TensorFlow; a run ends its step first."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from synthseg_common.telemetry.log import note

NUMBERS = (signal.SIGTERM, signal.SIGINT)
GRACE_S = 5.0
"""How long Python may take to end a command, to stop its Dask workers for instance."""

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None
"""As Python takes and gives it; `None` of one that C code set."""


class Stopped(SystemExit):
    """A signal asked to end at once; the exit code is the shell's, 143 or 130.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


class SignalWatch:
    """Hears of signals beside Python's handlers, and ends the process where those cannot.

    Args:
        grace_s: How long Python may take to end the command by itself.
    """

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._spared = 0

    def spare(self, count: int) -> None:
        """So many of the next signals are somebody else's, and the watch ends nothing for them."""
        self._spared = count

    def listen(self, heard: socket.socket) -> None:
        """Ends the process some time after a signal that is to end it, if it is still there.

        Args:
            heard: Gets a byte for each signal, its number; its end is that of the watch.
        """
        with heard:
            while received := heard.recv(1):
                number = received[0]
                if number not in NUMBERS:
                    continue
                if self._spared:
                    self._spared -= 1
                else:
                    self._end_later(heard, number)

    def _end_later(self, heard: socket.socket, number: int) -> None:
        heard.settimeout(self._grace_s)
        with suppress(TimeoutError):
            while heard.recv(64):
                pass
            return  # it ended by itself
        _say(signal.Signals(number).name)
        os._exit(128 + number)


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
        for number in NUMBERS:
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


@contextmanager
def signals_end_it(grace_s: float = GRACE_S) -> Iterator[SignalWatch]:
    """While it is open SIGTERM ends the process with 143 and SIGINT with 130, and says so.

    Python runs handlers between two of its own instructions, which is never while TensorFlow waits
    for another machine: a thread hears of the signal too, and ends what has not ended by itself.
    Handlers and the file that Python tells of signals by are the process's own, and so set for all
    of it while this is open. Outside of the main thread, where Python has no signals, it does
    nothing.

    Args:
        grace_s: How long Python may take to end the command by itself.

    Yields:
        The watch, for whoever has a handler of its own inside to be spared by.
    """
    watch = SignalWatch(grace_s)
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    before = {number: signal.signal(number, _stop) for number in NUMBERS}
    heard, told = socket.socketpair()
    told.setblocking(False)
    before_fd = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    start_deaf_thread(lambda: watch.listen(heard), "signals")
    try:
        yield watch
    except Stopped as stop:
        _say(stop.name)
        raise
    finally:
        watch.spare(0)
        signal.set_wakeup_fd(before_fd)
        told.close()  # which ends the thread
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held() -> Iterator[None]:
    """Holds SIGTERM and SIGINT back until the end, then with the handlers of the beginning.

    Threads that start meanwhile never get one. So what TensorFlow, which has a handler of its own
    for SIGTERM, does in them or with handlers, loses no signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in NUMBERS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def start_deaf_thread(target: Callable[[], None], name: str) -> threading.Thread:
    """Makes and starts a thread, ended with the process, that never gets a signal."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    start_deaf(thread)
    return thread


def start_deaf(thread: threading.Thread) -> None:
    """Starts a thread that never gets a signal.

    The kernel gives a signal that the main thread holds back to any other that does not.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)  # which the thread inherits
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _say(name: str) -> None:
    note(f"{name}: ended at once, what was saved before stays.")
