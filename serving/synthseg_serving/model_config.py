"""The model configuration of TF Serving, from a file or a reload request, checked first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from google.protobuf import text_format
from synthseg_common.official_weights import MODELS_CONFIG
from tensorflow_serving.config import model_server_config_pb2

from synthseg_serving.errors import CallError, ModelError
from synthseg_serving.versions import ModelConfig, VersionPolicy

PLATFORM = "tensorflow"


def read_config_file(path: Path) -> list[ModelConfig]:
    """Reads a `model_config_list` in protobuf's text format.

    Raises:
        ModelError: The file is missing, no configuration, or contradicts itself.
    """
    return _read(path)[1]


def read_set(folder: Path) -> list[ModelConfig]:
    """What the `models.config` of a folder of served models lists.

    A model that is not where the list has it, and lies in the folder under its name, is taken from
    there: the folder has moved, or is seen from within a container.

    Raises:
        ModelError: As `read_config_file`.
    """
    return [
        model
        if model.base_path.is_dir() or not (folder / model.name).is_dir()
        else replace(model, base_path=(folder / model.name).absolute())
        for model in read_config_file(folder / MODELS_CONFIG)
    ]


def add_to_config(path: Path, models: Iterable[ModelConfig]) -> str:
    """A configuration file's text with models added that it does not list.

    What it lists stays as it is, policies and labels of versions too. A file that is not there
    lists nothing.

    Raises:
        ModelError: As `read_config_file`.
    """
    if not path.is_file():
        return write_config(models)
    message, listed = _read(path)
    names = {model.name for model in listed}
    message.MergeFrom(_message_of(model for model in models if model.name not in names))
    return text_format.MessageToString(message)


def _read(path: Path) -> tuple[model_server_config_pb2.ModelServerConfig, list[ModelConfig]]:
    try:
        text = path.read_text(encoding="utf-8")
        message = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
        return message, parse_config(message)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is no text file.") from error
    except text_format.ParseError as error:
        raise ModelError(f"{path} is no model configuration: {error}.") from error
    except CallError as error:
        raise ModelError(f"{path}: {error.message}.") from error


def write_config(models: Iterable[ModelConfig]) -> str:
    """A `model_config_list` in protobuf's text format, for TF Serving and `read_config_file`."""
    return text_format.MessageToString(_message_of(models))


def _message_of(models: Iterable[ModelConfig]) -> model_server_config_pb2.ModelServerConfig:
    message = model_server_config_pb2.ModelServerConfig()
    for model in models:
        entry = message.model_config_list.config.add()
        entry.name, entry.base_path = model.name, str(model.base_path)
        entry.model_platform = PLATFORM
    return message


def parse_config(message: model_server_config_pb2.ModelServerConfig) -> list[ModelConfig]:
    """Checks a configuration and takes it over.

    Raises:
        CallError: It is refused; code and message are TF Serving's.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise _refused(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
            "ModelConfigList is currently supported"
        )
    models: dict[str, ModelConfig] = {}
    for entry in message.model_config_list.config:
        if entry.name in models:
            raise _refused(f"Illegal to list model {entry.name} multiple times in config list")
        models[entry.name] = _parse_model(entry)
    return list(models.values())


def _parse_model(entry: model_server_config_pb2.ModelConfig) -> ModelConfig:
    if not entry.name:
        raise _refused("ModelSpec has no name specified.")
    # No path holds the byte that ends one for the system.
    if not Path(entry.base_path).is_absolute() or "\0" in entry.base_path:
        raise _refused(
            f"Expected model {entry.name} to have an absolute path or URI; "
            f"got base_path()={entry.base_path}"
        )
    platform = entry.model_platform
    if not platform and entry.model_type == model_server_config_pb2.TENSORFLOW:
        platform = PLATFORM
    if not platform:
        raise _refused(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {entry.name}"
        )
    if platform != PLATFORM:
        raise _refused(f"Model {entry.name} requests unsupported platform {platform}")
    return ModelConfig(
        name=entry.name,
        base_path=Path(entry.base_path),
        policy=_parse_policy(entry),
        labels=dict(entry.version_labels),
    )


def _parse_policy(entry: model_server_config_pb2.ModelConfig) -> VersionPolicy:
    policy = entry.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(latest=0)
    if choice == "specific":
        return VersionPolicy(specific=tuple(policy.specific.versions))
    return VersionPolicy(latest=policy.latest.num_versions or 1)


def _refused(message: str) -> CallError:
    return CallError("INVALID_ARGUMENT", message)
