"""A folder of the original's weights as a set of served models, with TF Serving's configuration."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthseg_common import contract
from synthseg_common.errors import OutputError, reason_of
from synthseg_common.files import write_text
from synthseg_common.official_weights import MODELS_CONFIG, NOT_SERVED, WEIGHTS_ENDING

from synthseg_serving.errors import ExportError, ModelError, WeightsError
from synthseg_serving.export import next_version
from synthseg_serving.model_config import add_to_config, read_config_file
from synthseg_serving.official.export import export_official
from synthseg_serving.official.networks import NETWORKS, recognise
from synthseg_serving.official.weights import OfficialFile, inspect_weights, shapes_in
from synthseg_serving.versions import ModelConfig

log = logging.getLogger(__name__)


def find_weights(folder: Path) -> tuple[list[OfficialFile], list[str]]:
    """The released networks in a folder, each recognised by what it holds and read through.

    Files of other programs are left alone. One that bears the name of a released file must fit.

    Args:
        folder: As FreeSurfer's `models`.

    Returns:
        The files in the order of `NETWORKS`; and names of files that were left alone although they
        hold Keras weights.

    Raises:
        WeightsError: There is none, one is broken, or two hold the same network.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == WEIGHTS_ENDING)
    except OSError as error:
        raise WeightsError(f"{folder} cannot be read: {reason_of(error)}.") from error
    names = {network.file for network in NETWORKS}
    found: dict[str, OfficialFile] = {}
    left = []
    for path in paths:
        if path.name in NOT_SERVED or (path.name not in names and not _is_released_network(path)):
            left.append(path.name)
            continue
        file = inspect_weights(path)
        if other := found.get(file.network.key):
            raise WeightsError(
                f"{other.path} and {path} both hold {file.network.title}: leave one of them."
            )
        found[file.network.key] = file
    if not found:
        raise WeightsError(
            f"{folder} holds none of {', '.join(n.file for n in NETWORKS)}, nor their like under "
            "other names."
        )
    return [found[n.key] for n in NETWORKS if n.key in found], left


def import_folder(
    folder: Path, models: Path, max_voxels: int = contract.DEFAULT_MAX_VOXELS
) -> tuple[list[Path], list[str]]:
    """Writes every released network of a folder as a served model, all of them or none.

    Args:
        folder: Folder of `.h5` files.
        models: Folder for the models: `models/<name>/<version>`, and `models.config` for
            TF Serving, which goes on listing what it listed.
        max_voxels: Voxels that the network grid may have.

    Returns:
        The folders written, and names of files that were left alone.

    Raises:
        WeightsError: A file does not fit.
        ExportError: The folder cannot be written.
    """
    files, left = find_weights(folder)
    return write_models(files, models, max_voxels), left


def write_models(
    files: Iterable[OfficialFile],
    models: Path,
    max_voxels: int = contract.DEFAULT_MAX_VOXELS,
    listed_at: Path | None = None,
) -> list[Path]:
    """Writes released networks as served models, all of them or none; see `import_folder`.

    Args:
        files: The networks.
        models: Folder for the models.
        max_voxels: Voxels that the network grid may have.
        listed_at: Where the folder will lie when it is served; there by default.
    """
    config = models / MODELS_CONFIG
    listed = _listed(config)
    with _staging(models) as staged:
        for file in files:
            export_official(file, staged / file.network.served_name, 1, max_voxels=max_voxels)
        written = []
        for source in sorted(staged.iterdir()):
            target = models / source.name
            target.mkdir(exist_ok=True)
            written.append((source / "1").rename(target / str(next_version(target))))
    place = (listed_at or models).absolute()
    names = [folder.parent.name for folder in written]
    _list_them(config, [ModelConfig(name=name, base_path=place / name) for name in names])
    _tell_of_others(config, listed, models.absolute())
    return written


def _list_them(config: Path, added: list[ModelConfig]) -> None:
    try:
        write_text(config, add_to_config(config, added))
    except OutputError as error:
        raise ExportError(str(error)) from error


def _tell_of_others(config: Path, listed: list[ModelConfig], models: Path) -> None:
    """Says which models of the folder its list has elsewhere: those there are served, not these."""
    for model in listed:
        here = models / model.name
        if here.is_dir() and model.base_path != here:
            log.warning(
                "%s goes on listing %s at %s, not at %s: put that right unless both are one folder "
                "where it is served.",
                config,
                model.name,
                model.base_path,
                here,
            )


def _listed(config: Path) -> list[ModelConfig]:
    """What a configuration that is there lists."""
    try:
        return read_config_file(config) if config.is_file() else []
    except ModelError as error:
        raise ExportError(f"{str(error).rstrip('.')}: mend or remove it.") from error


@contextlib.contextmanager
def _staging(models: Path) -> Iterator[Path]:
    """A folder beside the models that goes when the work is done, or has failed.

    A folder for the models that was not there goes too where nothing came of it.
    """
    was_there = models.exists()
    try:
        models.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(dir=models, prefix=".import-"))
    except OSError as error:
        raise ExportError(f"{models} cannot be written: {reason_of(error)}.") from error
    try:
        yield staged
    except OSError as error:
        raise ExportError(f"{models} cannot be written: {reason_of(error)}.") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if not was_there:
            with contextlib.suppress(OSError):
                models.rmdir()


def _is_released_network(path: Path) -> bool:
    """Whether a file of any name holds the layers of a released network."""
    try:
        network = recognise(shapes_in(path))
    except WeightsError:
        return False
    return network is not None
