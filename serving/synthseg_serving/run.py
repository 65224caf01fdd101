"""The `serve` command's work: find the models, start the server, wait, stop."""

from __future__ import annotations

import logging
from pathlib import Path

import tensorflow as tf
from synthseg_common.processor import available_cores

from synthseg_serving.errors import ModelError, StartError
from synthseg_serving.lifecycle import StopSignal, announce
from synthseg_serving.model_config import read_config_file
from synthseg_serving.server import (
    DEFAULT_ADDRESS,
    Server,
    ServerSettings,
    Tls,
)
from synthseg_serving.versions import ModelConfig, find_versions

SAVED_MODEL = "saved_model.pb"


def serve_until_stopped(
    *,
    model_dir: Path | None,
    name: str,
    model_config_file: Path | None,
    addresses: tuple[str, ...],
    threads: int | None,
    waiting: int,
    poll_seconds: float,
    typed_fields: bool,
    labels_for_unavailable: bool,
    tls: tuple[Path, Path, Path | None] | None,
    grace_s: float,
    ready_file: Path | None,
) -> None:
    """Serves until SIGTERM or SIGINT; the command line explains the arguments.

    Raises:
        ServingError: A model, an address or a file cannot be used.
    """
    stop = StopSignal()
    tf.get_logger().setLevel(logging.ERROR)
    models = choose_models(model_dir, name, model_config_file)
    settings = ServerSettings(
        addresses=addresses or (DEFAULT_ADDRESS,),
        threads=threads or available_cores(),
        waiting=waiting,
        poll_s=poll_seconds,
        packed=not typed_fields,
        labels_for_unavailable=labels_for_unavailable,
        tls=Tls(key=tls[0], certificate=tls[1], client_ca=tls[2]) if tls else None,
    )
    if ready_file is not None and not ready_file.parent.is_dir():
        raise StartError(f"{ready_file.parent} is no folder, expected one for the ready file.")
    if ready_file is not None and ready_file.is_dir():
        raise StartError(f"{ready_file} is a folder, expected the name of a file to write.")
    server = _started(models, settings)
    stop.serving = True
    first = models[0].name
    try:
        announce(server.addresses, first, server.manager.available(first), ready_file)
        stop.wait()
    finally:
        server.stop(grace_s)


def _started(models: list[ModelConfig], settings: ServerSettings) -> Server:
    try:
        return Server(models, settings)
    except SystemExit:  # a signal, while it loaded
        for address in settings.addresses:
            if address.startswith("unix:"):
                Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        raise


def choose_models(
    model_dir: Path | None, name: str, model_config_file: Path | None
) -> list[ModelConfig]:
    """The models to serve, all of them there.

    Raises:
        ModelError: There is none, or the folder holds no version.
    """
    if model_config_file is not None:
        models = read_config_file(model_config_file)
        if not models:
            raise ModelError(f"{model_config_file} lists no model.")
        return models
    if model_dir is None:
        from synthseg_serving.shipped import shipped_model_dir

        model_dir = shipped_model_dir()
    if (model_dir / SAVED_MODEL).is_file():
        raise ModelError(f"{model_dir} is one version of a model; give its parent folder.")
    if not find_versions(model_dir):
        raise ModelError(
            f"{model_dir} holds no versions; expected {model_dir}/1/saved_model.pb, as "
            "`synthseg-serving export` writes it."
        )
    return [ModelConfig(name=name, base_path=model_dir.absolute())]
