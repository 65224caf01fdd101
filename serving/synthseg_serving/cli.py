"""The command `synthseg-serving`; TensorFlow is imported inside the commands."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Literal

import click
from synthseg_common.command_line import ErrorReportingGroup
from synthseg_common.command_options import takes
from synthseg_common.contract import DEFAULT_MAX_VOXELS, MODEL_NAME

from synthseg_serving.cpu import choose_instructions
from synthseg_serving.options import FOUND, ExportOptions, ServeOptions

_max_voxels = click.option(
    "--max-voxels",
    default=DEFAULT_MAX_VOXELS,
    show_default=True,
    type=click.IntRange(min=1),
    help="Voxels that the network grid may have; servers refuse requests for more. The default is "
    "320 x 320 x 320.",
)


@click.group(cls=ErrorReportingGroup, extra="serving")
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Exports trained networks as served models, and serves them."""
    # oneDNN makes the network two to three times faster; TensorFlow leaves it off on many CPUs.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    choose_instructions()


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Number of the version; the next free one by default.",
)
@click.option(
    "--name", default=MODEL_NAME, show_default=True, help="Name under which it will be served."
)
@_max_voxels
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="What weights from Keras belong to; by default the .json file beside them.",
)
@takes(ExportOptions)
def export(options: ExportOptions) -> None:
    """Writes a trained network to MODEL_DIR/<version>/, for TF Serving or `serve`.

    SOURCE is a checkpoint folder, a run (its newest checkpoint counts), a bundle (.npz), or weights
    that Keras saved on any backend (.weights.h5) with their settings.
    """
    from synthseg_serving.sources import read_source

    bundle = read_source(options.source, options.settings)
    from synthseg_serving.export import export_bundle

    click.echo(
        export_bundle(bundle, options.model_dir, options.version, options.name, options.max_voxels)
    )


@main.command("import-weights")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.argument("models", required=False, type=click.Path(path_type=Path))
@click.option(
    "--labels",
    type=click.Choice(["v1", "v2"]),
    help="Label table that a file must have: SynthSeg 1.0 or 2.0. By default it is recognised.",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Of a single file: number of the version; the next free one by default.",
)
@click.option(
    "--name",
    help="Of a single file: name under which it will be served; its network's by default.",
)
@_max_voxels
def import_weights(
    source: Path | None,
    models: Path | None,
    labels: Literal["v1", "v2"] | None,
    version: int | None,
    name: str | None,
    max_voxels: int,
) -> None:
    """Makes served models of the original SynthSeg's weights.

    SOURCE is a folder that holds synthseg_2.0.h5, synthseg_robust_2.0.h5, synthseg_parc_2.0.h5,
    synthseg_qc_2.0.h5 or synthseg_1.0.h5 (any of them, under any name); unless given, what
    SYNTHSEG_MODELS names, else $FREESURFER_HOME/models. Each becomes MODELS/<name>/<version>/, and
    MODELS/models.config lists them for TF Serving and `serve --model-config-file`. Without MODELS
    they go into the user's cache, once, as `serve --official` has it, and the folder is printed. Of
    a single file MODELS is the model's own folder.
    """
    from synthseg_serving.official.commands import FileChoice, import_from

    import_from(source, models, FileChoice(labels=labels, version=version, name=name), max_voxels)


@main.command()
@click.argument("model_dir", required=False, type=click.Path(path_type=Path))
@click.option(
    "--name", default=MODEL_NAME, show_default=True, help="Name of the model in requests."
)
@click.option(
    "--model-config-file",
    type=click.Path(path_type=Path),
    help="Several models, as TF Serving reads them.",
)
@click.option(
    "--official",
    is_flag=False,
    flag_value=FOUND,
    metavar="[FOLDER]",
    help="Serve the original SynthSeg's networks, too: FOLDER holds their .h5 files or what "
    "`import-weights` made of them; by default what SYNTHSEG_MODELS names, else "
    "$FREESURFER_HOME/models. MODEL_DIR, if any, stands before it, and takes the place of the "
    "plain one.",
)
@click.option(
    "--own-model",
    is_flag=True,
    help="With --official: segment with the model that ships with the package all the same.",
)
@click.option(
    "--on-demand", is_flag=True, help="Load a model when it is first asked for, not at the start."
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    help="host:port or unix:/path; may be repeated.  [default: localhost:8500]",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Cores for one computation; all that may be used by default.",
)
@click.option("--cpu", is_flag=True, help="Use no GPU.")
@click.option(
    "--queue",
    "waiting",
    default=8,
    show_default=True,
    type=click.IntRange(min=0),
    help="Requests that may wait.",
)
@click.option(
    "--poll-seconds",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Between looks for new versions; 0 looks once.",
)
@click.option(
    "--typed-fields",
    is_flag=True,
    help="Answer with one field per value, as TF Serving does by default; slow.",
)
@click.option(
    "--allow-version-labels-for-unavailable-models",
    "labels_for_unavailable",
    is_flag=True,
    help="As TF Serving's flag.",
)
@click.option("--tls-key", type=click.Path(path_type=Path), help="Private key (PEM).")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate chain (PEM).")
@click.option(
    "--tls-client-ca",
    type=click.Path(path_type=Path),
    help="Clients must be signed by these (PEM).",
)
@click.option(
    "--grace-seconds",
    default=600.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="For accepted requests after SIGTERM.",
)
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="Also write the ready line here."
)
@click.option(
    "--idle-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="End when nobody asked for anything for so long.",
)
@click.option(
    "--parent-death",
    is_flag=True,
    help="End with the parent process, whose pipe is standard input.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more in the log.")
@takes(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Serves a model with the services of TF Serving.

    Without MODEL_DIR it is the model that ships with the package, or the official one. A file of
    official weights in the place of MODEL_DIR is imported into the user's cache, once.

    Prints one line of JSON when it is ready: {"address": ..., "model": ..., "versions": [...]}.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if options.parent_death:
        from synthseg_serving.lifecycle import die_with_parent

        die_with_parent(options.sockets)
    if options.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    given = {
        "MODEL_DIR": options.model_dir is not None,
        "--official": options.official is not None,
    }
    for other, is_given in given.items():
        if options.model_config_file is not None and is_given:
            raise click.UsageError(f"give {other} or --model-config-file, not both.")
    if not options.tls_is_whole:
        raise click.UsageError("TLS needs --tls-key and --tls-cert.")
    from synthseg_serving.run import serve_until_stopped

    serve_until_stopped(options)
