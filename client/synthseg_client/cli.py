"""The command `synthseg-client`: parse, call, report; no work of its own.

What is heavy is imported where it is used, so that `--help` is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from synthseg_common.command_line import ErrorReportingGroup, Terminated
from synthseg_common.errors import INTERRUPTED, TERMINATED, exit_code_of
from synthseg_common.option_groups import with_options
from synthseg_common.telemetry.choice import command_failed

from synthseg_client.commands.bids_options import LEVELS, PARTICIPANT_FLAGS, SESSION_FLAGS, Dataset
from synthseg_client.commands.merge_options import Merging
from synthseg_client.commands.report_options import Pages
from synthseg_client.commands.segment_options import Course, Modes, Places, Telling
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.commands.variadic import VariadicCommand
from synthseg_client.errors import ClientError

_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text."
)
_PATH = click.Path(path_type=Path)
_takes_server = with_options(ServerOptions, "server")


@click.group(cls=ErrorReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Segments brain MRI and CT of any contrast and resolution through a model server."""


@main.command(cls=VariadicCommand, variadic=("--i", "--crop"))
@with_options(Places)
@with_options(Modes)
@with_options(Course)
@with_options(Telling)
@_takes_server
def segment(
    places: Places, modes: Modes, course: Course, telling: Telling, server: ServerOptions
) -> None:
    """Segments scans into labelled structures, at 1 mm along each scan's own axes.

    Results in a folder are called NAME_synthseg, NAME_posteriors and NAME_resampled. If several
    scans have the same file name, the folders that tell them apart are put before it:
    fs/bert/mri/orig.mgz and fs/anna/mri/orig.mgz become bert_orig_synthseg.mgz and
    anna_orig_synthseg.mgz. The volumes table uses the same names.

    Exit codes: 0: all scans are done; 1: some scans failed; 2: wrong usage; 130: interrupted
    (Ctrl-C); 143: terminated.
    """
    from synthseg_client.commands.segment import run_segment

    _run(
        lambda: run_segment(places, modes, course, telling, server),
        advice="; --resume goes on from here",
    )


@main.command(
    cls=VariadicCommand,
    variadic=(*PARTICIPANT_FLAGS, *SESSION_FLAGS, "--suffix", "--crop"),
)
@click.argument("bids_dir", type=_PATH)
@click.argument("out_dir", type=_PATH)
@click.argument("level", type=click.Choice(LEVELS))
@with_options(Dataset)
@with_options(Modes)
@with_options(Course, leave_out=("shard", "dask"))
@with_options(Telling)
@_takes_server
@click.version_option(package_name="synthseg-serving")
def bids(
    bids_dir: Path,
    out_dir: Path,
    level: str,
    dataset: Dataset,
    modes: Modes,
    course: Course,
    telling: Telling,
    server: ServerOptions,
) -> None:
    """Segments the anatomical scans of a BIDS dataset, as a BIDS App.

    At LEVEL participant each scan of BIDS_DIR gets label maps in OUT_DIR, on its own grid
    (space-orig_seg-synthseg_dseg) and at 1 mm (..._res-1mm_dseg), with BIDS' sidecars, and its
    volumes. At LEVEL group the volumes of all scans become OUT_DIR/synthseg_volumes.tsv, and tables
    of each kind of scan in OUT_DIR/phenotype, with data dictionaries. OUT_DIR may lie in
    BIDS_DIR/derivatives. Exit codes are those of segment: 1 if any scan is missing, broken or
    failed, while all others are done.
    """
    from synthseg_client.commands.bids import run_group, run_participant

    if level == "group":
        _run(lambda: run_group(bids_dir, out_dir, dataset, telling))
    _run(
        lambda: run_participant((bids_dir, out_dir), dataset, modes, course, telling, server),
        advice="; --resume goes on from here",
    )


@main.command()
@click.argument("folder", metavar="OUT_DIR", type=click.Path(path_type=Path))
@with_options(Pages)
def report(folder: Path, pages: Pages) -> None:
    """Makes pages to look at from what segment left in OUT_DIR.

    Slices with contours, volumes, what lies far from the run's median, warnings and provenance; all
    offline. The first page is DIR/index.html.
    """
    from synthseg_client.commands.pages import run_report

    _run(lambda: run_report(folder, pages))


@main.command(cls=VariadicCommand, variadic=("--i",))
@click.argument("folders", metavar="OUT_DIR...", nargs=-1, required=True)
@with_options(Merging)
def merge(folders: tuple[str, ...], merging: Merging) -> None:
    """Makes one table of what segment left in OUT_DIR..., also in many parts or jobs.

    A row for each scan: what became of it, the model's version, volumes and quality. Results that
    are not whole, scans that failed, duplicates and gaps are named. Exit codes: 0: all scans are
    done; 1: some failed, are missing or not whole; 2: wrong usage.
    """
    from synthseg_client.commands.merge import run_merge

    _run(lambda: run_merge(folders, merging))


@main.command()
@_json_option
@_takes_server
def labels(as_json: bool, server: ServerOptions) -> None:
    """Prints the label table of the served model."""
    from synthseg_client.commands.labels import run_labels

    _run(lambda: run_labels(server, as_json=as_json))


@main.command()
@_json_option
@_takes_server
def status(as_json: bool, server: ServerOptions) -> None:
    """Prints health, versions and limits of the model server."""
    from synthseg_client.commands.status import run_status

    _run(lambda: run_status(server, as_json=as_json))


@main.command()
@click.option(
    "--start", is_flag=True, help="Without --server, start a server here and test it, too."
)
@_json_option
@_takes_server
def doctor(start: bool, as_json: bool, server: ServerOptions) -> None:
    """Prints what a bug report needs: versions, extras, server, processor, memory, free disk.

    It prints no paths, and no names of hosts or users. Exit codes: 0: everything can be used; 1:
    there is a problem, printed together with what to do.
    """
    from synthseg_client.commands.doctor import run_doctor

    _run(lambda: run_doctor(server, start=start, as_json=as_json))


@main.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def proto(folder: Path) -> None:
    """Writes the messages of the server, for callers in other languages, into FOLDER.

    messages.proto holds what travels, services.proto the procedures.
    """
    from synthseg_client.commands.proto import run_proto

    _run(lambda: run_proto(folder))


def _run(command: Callable[[], int], advice: str = "") -> None:
    """Runs a command; its errors become one line and an exit code.

    Args:
        command: What to do; returns the exit code.
        advice: What to do when it was interrupted.
    """
    try:
        sys.exit(command())
    except ClientError as error:
        code = exit_code_of(error)
        if not command_failed(code, error):
            click.echo(f"synthseg-client: {error}", err=True)
        sys.exit(code)
    except KeyboardInterrupt as stop:
        from synthseg_common.telemetry.log import note

        note(f"synthseg-client: interrupted{advice}.")
        sys.exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED)
