"""The command `synthseg-serving`; TensorFlow is imported inside the commands."""

from __future__ import annotations

import logging
import os
import sys

import click
from synthseg_common.command_line import ErrorReportingGroup
from synthseg_common.option_groups import with_options

from synthseg_serving.cpu import choose_instructions
from synthseg_serving.errors import ModelError
from synthseg_serving.options import (
    CheckOptions,
    ExportOptions,
    FileChoice,
    ImportOptions,
    ServeOptions,
    SignOptions,
)


@click.group(cls=ErrorReportingGroup, extra="serving", texts=True)
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Exports trained networks as served models, and serves them."""
    # oneDNN makes the network two to three times faster; TensorFlow leaves it off on many CPUs.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    choose_instructions()
    # Its advice on how to write graphs is none for users; nothing is imported by this.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@main.command()
@with_options(ExportOptions, "options")
def export(options: ExportOptions) -> None:
    """Writes a trained network to MODEL_DIR/<version>/, for TF Serving or `serve`.

    SOURCE is a checkpoint folder, a run (its newest checkpoint counts), a bundle (.npz), or weights
    that Keras saved on any backend (.weights.h5) with their settings. It may also be the URL of a
    run or bundle in object storage, s3://bucket/run.
    """
    from synthseg_serving.sources import read_source

    bundle = read_source(options.source, options.settings)
    from synthseg_serving.export import export_bundle

    click.echo(
        export_bundle(bundle, options.model_dir, options.version, options.name, options.max_voxels)
    )


@main.command("import-weights")
@with_options(FileChoice, "choice")
@with_options(ImportOptions, "options")
def import_weights(choice: FileChoice, options: ImportOptions) -> None:
    """Makes served models of the original SynthSeg's weights.

    SOURCE is a folder with any of synthseg_2.0.h5, synthseg_robust_2.0.h5, synthseg_parc_2.0.h5,
    synthseg_qc_2.0.h5 and synthseg_1.0.h5, under any name. By default it is $SYNTHSEG_MODELS, else
    $FREESURFER_HOME/models. Each file becomes MODELS/<name>/<version>/, and MODELS/models.config
    lists them for TF Serving and `serve --model-config-file`. Without MODELS they are written to
    the user's cache, where `serve --official` finds them, and the folder is printed.

    SOURCE may also be a single file; MODELS is then the folder of that model.
    """
    from synthseg_serving.official.commands import import_from

    import_from(options.source, options.models, choice, options.max_voxels)


@main.command()
@with_options(SignOptions, "options")
def sign(options: SignOptions) -> None:
    r"""Signs an exported version, FOLDER, so that `serve --model-key` takes it.

    Make the keys once, and keep the first away from the servers:

    \b
        openssl genpkey -algorithm ed25519 -out model.key
        openssl pkey -in model.key -pubout -out model.pub
    """
    from synthseg_serving.manifest import sign_manifest

    click.echo(sign_manifest(options.folder, options.key))


@main.command("check-model")
@with_options(CheckOptions, "options")
def check_model(options: CheckOptions) -> None:
    """Tells whether an exported version, FOLDER, is as it was exported.

    Every file is held to its hash in manifest.sha256. `sha256sum --check manifest.sha256` does the
    same, but for files that were added, where this package is not installed.
    """
    from synthseg_serving.manifest import MANIFEST, check_version

    if not check_version(options.folder, options.model_key):
        raise ModelError(
            f"{options.folder / MANIFEST} is missing: there is nothing to hold the files to."
        )
    click.echo(f"{options.folder}: as it was exported.")


@main.command()
@with_options(ServeOptions, "options")
def serve(options: ServeOptions) -> None:
    """Serves a model with the services of TF Serving.

    Without MODEL_DIR it is the model that ships with the package, or the official one. A file of
    official weights in the place of MODEL_DIR is imported into the user's cache, once.

    Prints one line of JSON when it is ready: {"address": ..., "model": ..., "versions": [...]}.
    """
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(logging.INFO if options.verbose else logging.WARNING)
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
    if options.small and not options.serves_own_model:
        raise click.UsageError(
            "--small chooses among the models that ship with the package, and another one is named."
        )
    if not options.tls_is_whole:
        raise click.UsageError("TLS needs --tls-key and --tls-cert.")
    from synthseg_serving.run import serve_until_stopped

    serve_until_stopped(options)
