"""The command `synthseg-client`: parse, call, report; no work of its own.

What is heavy is imported where it is used, so that `--help` is instant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from synthseg_common.command_line import ErrorReportingGroup, Terminated
from synthseg_common.errors import INTERRUPTED, TERMINATED, exit_code_of

from synthseg_client.commands.variadic import VariadicCommand
from synthseg_client.errors import ClientError

_PATH = click.Path(path_type=Path)


def _server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which server and model to ask."""
    options = [
        click.option(
            "--server",
            envvar="SYNTHSEG_SERVER",
            help="Model server, HOST:PORT or unix:/path. [default: one is started here]",
        ),
        click.option(
            "--model",
            help="Model to ask: NAME, NAME:VERSION or NAME@LABEL with --server, else a folder of "
            "versions.",
        ),
        click.option("--tls", is_flag=True, help="Encrypt, trusting the system's authorities."),
        click.option(
            "--tls-ca", type=_PATH, help="Encrypt, trusting the authorities in this PEM file."
        ),
        click.option("--tls-cert", type=_PATH, help="Client certificate, PEM."),
        click.option("--tls-key", type=_PATH, help="Key of the client certificate, PEM."),
        click.option(
            "--token-file",
            type=_PATH,
            help="File with a token to send with every call. [env: SYNTHSEG_TOKEN]",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            help="Seconds a segmentation may take. [default: grows with the scan]",
        ),
        click.option(
            "--server-wait",
            type=click.FloatRange(min=0),
            help="Seconds to wait for a server that does not answer, once for all scans. "
            "[default: 120; labels, status: 0]",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            help="Cores for the server started here. [default: all]",
        ),
        click.option("--cpu", is_flag=True, help="The server started here leaves the GPU alone."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=ErrorReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Segments brain MRI and CT of any contrast and resolution through a model server."""


@main.command(cls=VariadicCommand, variadic=("--i", "--crop"))
@click.option(
    "--i",
    "scans",
    required=True,
    multiple=True,
    metavar="SCAN...",
    help="Scans: files, a folder, a pattern in quotes ('data/**/*_T1w.nii.gz', any folders deep), "
    "or one .txt list.",
)
@click.option("--o", "output", help="Label map, folder, or .txt list.")
@click.option("--post", help="Probability maps: file, folder, or .txt list.")
@click.option(
    "--resample",
    help="Scans resampled to 1 mm: file, folder, or .txt list; those at 1 mm are not copied.",
)
@click.option(
    "--vol", help="CSV file for the volumes in mm³ of all scans (or .txt list, one for each)."
)
@click.option(
    "--beside-scans",
    is_flag=True,
    help="--o, --post and --resample start from each scan's own folder; without --o label maps lie "
    "beside their scans.",
)
@click.option(
    "--crop",
    metavar="N | N N N | none",
    help="Segment only the central N voxels, rounded up to 32; none: all. "
    "[default: up to 192 around the head]",
)
@click.option("--fast", is_flag=True, help="Twice as fast, a little less accurate.")
@click.option("--ct", is_flag=True, help="The scans are CT in Hounsfield units.")
@click.option(
    "--keepgeom",
    is_flag=True,
    help="Labels and probabilities on the scan's own grid instead of 1 mm.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Scans in work at once.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Scans at the server at once.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Skip scans whose results are complete, from the same scan, model and options.",
)
@click.option(
    "--sidecar/--no-sidecar",
    default=True,
    show_default=True,
    help="JSON file beside each label map: model, options, timing.",
)
@click.option(
    "--tables",
    is_flag=True,
    help="BIDS .tsv and FreeSurfer .ctab label tables beside each label map.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per scan on standard output."
)
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Times per step, and the log of the server started here."
)
@_server_options
def segment(**given: Any) -> None:
    """Segments scans into labelled structures, at 1 mm along each scan's own axes.

    Results in a folder are called NAME_synthseg, NAME_posteriors and NAME_resampled. Scans of one
    name get the folders in which their paths differ before it: of fs/bert/mri/orig.mgz and
    fs/anna/mri/orig.mgz come bert_orig_synthseg.mgz and anna_orig_synthseg.mgz, and rows of these
    names in the volumes table. Exit code 0: all done; 1: some scans failed; 2: wrong usage; 130:
    interrupted; 143: terminated.
    """
    from synthseg_client.commands.run import run_segment

    _run(run_segment, given, advice="; --resume goes on from here")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@_server_options
def labels(**given: Any) -> None:
    """Prints the label table of the served model."""
    from synthseg_client.commands.run import run_labels

    _run(run_labels, given)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@_server_options
def status(**given: Any) -> None:
    """Prints health, versions and limits of the model server."""
    from synthseg_client.commands.run import run_status

    _run(run_status, given)


def _run(command: Callable[[dict[str, Any]], int], given: dict[str, Any], advice: str = "") -> None:
    """Runs a command; its errors become one line and an exit code.

    Args:
        command: What to do; returns the exit code.
        given: Values of the command's options by name.
        advice: What to do when it was interrupted.
    """
    try:
        sys.exit(command(given))
    except ClientError as error:
        click.echo(f"synthseg-client: {error}", err=True)
        sys.exit(exit_code_of(error))
    except KeyboardInterrupt as stop:
        click.echo(f"synthseg-client: interrupted{advice}.", err=True)
        sys.exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED)
