"""Paths and URLs are told apart, and neither is changed."""

from pathlib import Path

import click
from click.testing import CliRunner
from synthseg_trainer.places import PLACE, read_place


def test_a_url_keeps_both_of_its_slashes_and_a_path_is_a_path() -> None:
    assert read_place("s3://bucket/run") == "s3://bucket/run"
    assert read_place("runs/first") == Path("runs/first")


def test_an_option_takes_both() -> None:
    taken: list[object] = []

    @click.command()
    @click.argument("places", nargs=-1, type=PLACE)
    def command(places: tuple[object, ...]) -> None:
        taken.extend(places)

    assert CliRunner().invoke(command, ["s3://bucket/run", "run"]).exit_code == 0
    assert taken == ["s3://bucket/run", Path("run")]
