import io

from synthseg_trainer.runs.progress_display import LINE_INTERVAL_S, Bar, Lines, open_display


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_plain_line_now_and_then() -> None:
    stream, clock = io.StringIO(), _Clock()
    display = Lines(1000, 100, stream, clock)
    for step in range(101, 201):
        clock.now += 1.0
        display.step(step, "whole brain", 0.5)
    display.close()
    text = stream.getvalue()
    assert "\r" not in text
    lines = text.splitlines()
    assert len(lines) == 100 // LINE_INTERVAL_S + 1
    assert lines[0] == "step 130 of 1000, whole brain: loss 0.500, 1 steps/s, 14:30 left"
    assert lines[-1].startswith("step 200 of 1000")


def test_the_last_step_has_a_line_of_its_own_once() -> None:
    stream = io.StringIO()
    display = Lines(2, 0, stream, _Clock())
    display.step(1, "only", 1.0)
    display.step(2, "only", 0.9)
    display.close()
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == ["step 2 of 2"]


def test_a_run_that_did_nothing_says_nothing() -> None:
    stream = io.StringIO()
    Lines(2, 2, stream).close()
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_loss_speed_and_time_left() -> None:
    terminal = _Terminal()
    display = open_display(10, 3, terminal)
    assert isinstance(display, Bar)
    display.step(4, "warm-up", 0.25)
    display.close()
    assert "warm-up" in terminal.getvalue()
    assert "4/10" in terminal.getvalue()
    assert "steps/s" in terminal.getvalue()
    assert "loss=0.250" in terminal.getvalue()
    assert isinstance(open_display(10, 3, io.StringIO()), Lines)
