"""A command that takes its options as one object."""

from dataclasses import FrozenInstanceError, dataclass

import click
import pytest
from click.testing import CliRunner
from synthseg_common.command_options import takes


@dataclass(frozen=True, kw_only=True)
class _Options:
    name: str
    jobs: int


@click.command()
@click.argument("name")
@click.option("--jobs", default=2)
@takes(_Options)
def _command(options: _Options) -> None:
    """Says what it was given."""
    click.echo(repr(options))


def test_a_command_gets_its_options_as_one_object() -> None:
    done = CliRunner().invoke(_command, ["one", "--jobs", "3"])
    assert done.output == "_Options(name='one', jobs=3)\n"
    assert CliRunner().invoke(_command, ["one"]).output == "_Options(name='one', jobs=2)\n"


def test_the_help_stays_that_of_the_command() -> None:
    assert "Says what it was given." in CliRunner().invoke(_command, ["--help"]).output


def test_an_option_that_the_object_does_not_know_is_a_fault_of_the_program() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        takes(_Options)(repr)(name="one", jobs=1, other=2)


def test_options_do_not_change_on_the_way() -> None:
    with pytest.raises(FrozenInstanceError):
        _Options(name="one", jobs=1).jobs = 2  # type: ignore[misc]  # what is refused here
