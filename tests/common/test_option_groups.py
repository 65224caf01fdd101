from __future__ import annotations

from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner
from synthseg_common.option_groups import option, with_options


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


@click.command()
@click.argument("first")
@with_options(Pace)
@with_options(Place, "place")
def command(first: str, pace: Pace, place: Place) -> None:
    """Prints what it was given."""
    click.echo(repr((first, pace, place)))


def _said(*words: str) -> str:
    run = CliRunner().invoke(command, list(words))
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
