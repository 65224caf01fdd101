from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import click
import pytest
from click.testing import CliRunner
from synthseg_common.option_groups import argument, option, with_options


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast."""

    jobs: int = option("--jobs", type=click.IntRange(1), default=2, help="Scans at once.")
    fast: bool = option("--fast", is_flag=True, help="Twice as fast.")
    names: tuple[str, ...] = option("--name", multiple=True)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to."""

    output: str = option("--o", required=True)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What goes where."""

    source: str = argument()
    target: str | None = argument(required=False)
    times: int = option("--times", type=int, default=1)


@click.command()
@click.argument("first")
@with_options(Pace)
@with_options(Place, "place")
def command(first: str, pace: Pace, place: Place) -> None:
    """Prints what it was given."""
    click.echo(repr((first, pace, place)))


@click.command()
@with_options(Copy, "asked", leave_out=("times",))
def copy(asked: Copy) -> None:
    """Copies."""
    click.echo(repr(asked))


def _said(*words: str, by: click.Command = command) -> str:
    run = CliRunner().invoke(by, list(words))
    assert run.exit_code == 0, run.output
    return run.output.strip()


def test_options_come_as_the_objects_of_their_groups() -> None:
    expected = ("x", Pace(jobs=3, fast=True, names=("a", "b")), Place(output="out"))
    words = ("x", "--jobs", "3", "--fast", "--name", "a", "--name", "b", "--o", "out")
    assert _said(*words) == repr(expected)


def test_what_is_not_given_has_the_same_default_with_and_without_click() -> None:
    assert _said("x", "--o", "out") == repr(("x", Pace(), Place(output="out")))
    assert Pace() == Pace(jobs=2, fast=False, names=())


def test_a_group_without_what_is_required_is_refused() -> None:
    with pytest.raises(TypeError, match="output"):
        Place()


def test_help_lists_options_in_the_order_of_groups_and_fields() -> None:
    run = CliRunner().invoke(command, ["--help"])
    places = [run.output.index(flag) for flag in ("--jobs", "--fast", "--name", "--o ")]
    assert places == sorted(places)


def test_arguments_come_with_the_object_in_the_order_of_its_fields() -> None:
    assert _said("a", "b", by=copy) == repr(Copy(source="a", target="b"))
    assert _said("a", by=copy) == repr(Copy(source="a", target=None))
    assert "copy [OPTIONS] SOURCE [TARGET]" in CliRunner().invoke(copy, ["--help"]).output


def test_a_missing_argument_is_named() -> None:
    run = CliRunner().invoke(copy, [])
    assert run.exit_code == 2
    assert "Missing argument 'SOURCE'" in run.output


def test_what_a_command_leaves_out_is_no_option_of_it_and_has_its_default() -> None:
    run = CliRunner().invoke(copy, ["a", "--times", "2"])
    assert run.exit_code == 2
    assert "No such option" in run.output
    assert "times=1" in _said("a", by=copy)


def test_the_help_stays_that_of_the_command() -> None:
    assert "Prints what it was given." in CliRunner().invoke(command, ["--help"]).output


def test_options_do_not_change_on_the_way() -> None:
    with pytest.raises(FrozenInstanceError):
        Pace().jobs = 2  # type: ignore[misc]  # what is refused here
