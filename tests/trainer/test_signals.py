"""Small processes that get signals where Python cannot handle them."""

import signal
import subprocess
import sys

import pytest
from signalled import end_by_signal
from typed import there

# A C function that keeps the main thread but not the interpreter, as a wait in TensorFlow does.
BLOCKED = """
import ctypes, signal, sys
from contextlib import ExitStack
from synthseg_trainer import signals

c = ctypes.CDLL(None)
def block():
    print("blocked", flush=True)
    while True:
        c.sigsuspend(ctypes.create_string_buffer(b"\\xff" * 128))
"""
# No signal wakes what waits with all of them masked, so other threads have to hear them.
OTHER_THREAD = """
import threading, time
def idle():
    while True:
        time.sleep(60)
threading.Thread(target=idle, daemon=True).start()
"""


def _run(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_what_waits_outside_of_python(number: signal.Signals, code: int) -> None:
    process = _run(BLOCKED + OTHER_THREAD + "with signals.signals_end_it(0.2):\n    block()\n")
    said = end_by_signal(process, number, process.stdout, "blocked\n")
    assert process.returncode == code
    assert said == f"{number.name}: ended at once, what was saved before stays.\n"


def test_the_first_signal_of_a_run_lets_the_step_end_and_the_second_does_not() -> None:
    program = (
        BLOCKED
        + OTHER_THREAD
        + """
from synthseg_trainer.signals import Interruption
with signals.signals_end_it(0.2) as watch, Interruption(watch):
    block()
"""
    )
    process = _run(program)
    try:
        assert there(process.stdout).readline() == "blocked\n"
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        process.kill()
        process.communicate()


def test_the_first_signal_of_a_run_is_not_taken_for_one_that_ends_it() -> None:
    """However soon the run has heard of it, and whatever it does then for how long."""
    program = """
import os, signal, time
from synthseg_trainer import signals
from synthseg_trainer.signals import Interruption

signals.GRACE_S = 0.1
with signals.signals_end_it(0.2) as watch, Interruption(watch) as interruption:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)
    print(interruption.asked)
"""
    process = _run(program)
    out, _ = process.communicate(timeout=100)
    assert (process.returncode, out) == (0, "True\n")


def test_a_signal_that_is_held_back_comes_afterwards_whatever_handler_was_set() -> None:
    """TensorFlow sets one for SIGTERM, which says a line and does nothing."""
    program = """
import os, signal
from synthseg_trainer.signals import signals_end_it, signals_held

with signals_end_it():
    with signals_held():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: None)
        os.kill(os.getpid(), signal.SIGTERM)
        print("held")
    print("not reached")
"""
    process = _run(program)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "held\n")


def test_handlers_are_as_before_afterwards() -> None:
    from synthseg_trainer.signals import signals_end_it, signals_held

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with signals_end_it(), signals_held():
        pass
    assert {number: signal.getsignal(number) for number in before} == before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(before)
