"""The `serve` command's work: find the models, start the server, wait, stop."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import tensorflow as tf
from synthseg_common.contract import MODEL_NAME
from synthseg_common.official_weights import find_official
from synthseg_common.processor import available_cores

from synthseg_serving.credentials import Tls
from synthseg_serving.errors import ModelError, StartError
from synthseg_serving.lifecycle import StopSignal, announce
from synthseg_serving.model_config import read_config_file, read_set
from synthseg_serving.options import FOUND, ServeOptions
from synthseg_serving.server import DEFAULT_ADDRESS, Server, ServerSettings
from synthseg_serving.versions import ModelConfig, find_versions
from synthseg_serving.watching.start import watched

log = logging.getLogger(__name__)

SAVED_MODEL = "saved_model.pb"
_MINUTE_S = 60.0


def serve_until_stopped(options: ServeOptions) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        ServingError: A model, an address or a file cannot be used.
    """
    stop = StopSignal()
    tf.get_logger().setLevel(logging.ERROR)
    models = choose_models(options)
    settings = server_settings(options)
    _check_ready_file(options.ready_file)
    watching = watched(options.metrics_address, otlp=options.otlp, waiting=options.waiting)
    with watching as watch:
        server = _started(models, replace(settings, watch=watch.interceptor))
        stop.serving = True
        first = models[0].name
        try:
            watch.tell_of(server.manager.states)
            announce(server.addresses, first, server.manager.available(first), options.ready_file)
            watch.announce(server.addresses)
            stop.wait(_unused(server, options.idle_minutes))
        finally:
            server.stop(options.grace_seconds)


def server_settings(options: ServeOptions) -> ServerSettings:
    """What the command's options come to, defaults filled in."""
    key, certificate = options.tls_key, options.tls_cert
    tls = (
        Tls(key=key, certificate=certificate, client_ca=options.tls_client_ca)
        if key is not None and certificate is not None
        else None
    )
    return ServerSettings(
        addresses=options.addresses or (DEFAULT_ADDRESS,),
        threads=options.threads or available_cores(),
        waiting=options.waiting,
        at_once=options.at_once,
        poll_s=options.poll_seconds,
        packed=not options.typed_fields,
        labels_for_unavailable=options.labels_for_unavailable,
        on_demand=options.on_demand,
        model_key=options.model_key,
        tls=tls,
    )


def _check_ready_file(path: Path | None) -> None:
    """Refuses a file that could not be written when the server is ready.

    Raises:
        StartError: Its folder is missing, or it is one.
    """
    if path is None:
        return
    if not path.parent.is_dir():
        raise StartError(f"{path.parent} is no folder, expected one for the ready file.")
    if path.is_dir():
        raise StartError(f"{path} is a folder, expected the name of a file to write.")


def _started(models: list[ModelConfig], settings: ServerSettings) -> Server:
    try:
        return Server(models, settings)
    except SystemExit:  # a signal, while it loaded
        for address in settings.addresses:
            if address.startswith("unix:"):
                Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        raise


def _unused(server: Server, idle_minutes: float | None) -> Callable[[], bool]:
    """Whether nobody has asked a server for anything for so long."""
    limit_s = math.inf if idle_minutes is None else _MINUTE_S * idle_minutes

    def unused() -> bool:
        if server.activity.idle_s() < limit_s:
            return False
        log.info("no request for %.4g minutes: ending.", idle_minutes)
        return True

    return unused


def choose_models(options: ServeOptions) -> list[ModelConfig]:
    """The models to serve, all of them there.

    Raises:
        ModelError: There is none, or a folder holds no version.
        SynthSegError: Official weights are not there, do not fit, or cannot be imported.
    """
    if options.model_config_file is not None:
        models = read_config_file(options.model_config_file)
        if not models:
            raise ModelError(f"{options.model_config_file} lists no model.")
        return models
    if options.official is not None:
        model_dir = options.model_dir
        if model_dir is None and options.own_model:
            model_dir = _own_model(options.small)
        return official_models(options.official, model_dir, options.name)
    return [_segmenter(options.model_dir or _own_model(options.small), options.name)]


def _own_model(small: bool) -> Path:
    from synthseg_serving.shipped import SMALL_WEIGHTS, WEIGHTS, shipped_model_dir

    return shipped_model_dir(SMALL_WEIGHTS if small else WEIGHTS)


def official_models(folder: str, model_dir: Path | None, name: str) -> list[ModelConfig]:
    """The official networks, the plain segmenter first.

    Args:
        folder: Of weights or of served models; `FOUND` looks for it.
        model_dir: A segmenter that takes the place of the official one.
        name: Name of the segmenter in requests.

    Raises:
        ModelError: The segmenter's name is another network's.
        SynthSegError: Official weights are not there, do not fit, or cannot be imported.
    """
    from synthseg_serving.official.cache import cached_set

    found = cached_set(Path(folder) if folder != FOUND else find_official())
    models = {model.name: model for model in read_set(found)}
    plain = models.pop(MODEL_NAME, None)
    if name in models:
        raise ModelError(f"{name} is a network of {found}: give the segmenter another --name.")
    if model_dir is not None or plain is None:
        first = _segmenter(model_dir or _own_model(small=False), name)
    else:
        first = replace(plain, name=name)
    return [first, *models.values()]


def _segmenter(model_dir: Path, name: str) -> ModelConfig:
    """A model by its folder, or by its file of official weights."""
    if model_dir.is_file():
        from synthseg_serving.official.cache import cached_file

        model_dir = cached_file(model_dir)
    if (model_dir / SAVED_MODEL).is_file():
        raise ModelError(f"{model_dir} is one version of a model; give its parent folder.")
    if not find_versions(model_dir):
        raise ModelError(
            f"{model_dir} holds no versions; expected {model_dir}/1/saved_model.pb, as "
            "`synthseg-serving export` writes it."
        )
    return ModelConfig(name=name, base_path=model_dir.absolute())
