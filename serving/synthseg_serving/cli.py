"""The command `synthseg-serving`; TensorFlow is imported inside the commands."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click
from synthseg_common.command_line import ErrorReportingGroup
from synthseg_common.command_options import takes
from synthseg_common.contract import DEFAULT_MAX_VOXELS, MODEL_NAME

from synthseg_serving.cpu import choose_instructions
from synthseg_serving.options import ExportOptions, ServeOptions

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
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    required=True,
    type=click.Choice(["v1", "v2"]),
    help="Label table: SynthSeg 1.0 or 2.0.",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Number of the version; the next free one by default.",
)
@click.option(
    "--name", default=MODEL_NAME, show_default=True, help="Name under which it will be served."
)
@_max_voxels
def import_weights(
    file: Path, model_dir: Path, labels: str, version: int | None, name: str, max_voxels: int
) -> None:
    """Writes weights of the original SynthSeg (.h5) to MODEL_DIR/<version>/."""
    from synthseg_serving.weights_import import RELEASED_V1_BLOB, read_released

    bundle = read_released(file, labels)
    if bundle.info["training"]["git_blob"] == RELEASED_V1_BLOB:
        click.echo(f"{file} is the released SynthSeg 1.0.", err=True)
    from synthseg_serving.export import export_bundle

    click.echo(export_bundle(bundle, model_dir, version, name, max_voxels))


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
    "--parent-death",
    is_flag=True,
    help="End with the parent process, whose pipe is standard input.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more in the log.")
@takes(ServeOptions)
def serve(options: ServeOptions) -> None:
    """Serves a model with the services of TF Serving.

    Without MODEL_DIR it is the model that ships with the package.

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
    if options.model_dir is not None and options.model_config_file is not None:
        raise click.UsageError("give MODEL_DIR or --model-config-file, not both.")
    if not options.tls_is_whole:
        raise click.UsageError("TLS needs --tls-key and --tls-cert.")
    from synthseg_serving.run import serve_until_stopped

    serve_until_stopped(options)
