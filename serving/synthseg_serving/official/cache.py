"""The released networks as served models in the user's cache, imported once per machine and user.

TensorFlow is imported by the process that imports the weights, not by those that find them there.

Sets of earlier weights and of earlier versions of this package stay: a server may still load from
them. Whoever needs the room may remove `~/.cache/synthseg/models/official` while nothing is served.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

from synthseg_common.errors import OutputError, reason_of
from synthseg_common.files import write_text
from synthseg_common.locking import locked
from synthseg_common.official_weights import MODELS_CONFIG, NOT_SERVED, WEIGHTS_ENDING

from synthseg_serving.errors import ExportError, WeightsError
from synthseg_serving.shipped import user_cache
from synthseg_serving.versions import FORMAT_VERSION, ModelConfig

_KEY_DIGITS = 16
_FOLDER = "official"
_FILE_NAME = "weights.h5"


def cached_set(folder: Path, cache: Path | None = None) -> Path:
    """The folder of served models for a folder of weights, imported if that was not done yet.

    Any number of processes may ask at once: one imports, the others wait for it. A set appears
    whole or not at all.

    Args:
        folder: Of `.h5` files, as FreeSurfer's `models`; or of served models with `models.config`,
            which is answered as it is.
        cache: Folder of exported models; the user's cache by default.

    Returns:
        A folder that holds `models.config` and the models it lists.

    Raises:
        WeightsError: A file does not fit, or there is none.
        ExportError: The cache cannot be written.
    """
    if (folder / MODELS_CONFIG).is_file():
        return folder
    sets = (cache or user_cache()) / _FOLDER
    target = sets / _key_of(folder)
    try:
        if not _is_there(target):
            sets.mkdir(parents=True, exist_ok=True)
            with locked(sets / f".{target.name}.lock", f"{folder} is imported") as alone:
                if not _is_there(target):
                    _import(folder, target, alone)
    except (OSError, ExportError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error).rstrip(".")
        raise ExportError(
            f"{sets}: the weights of {folder} cannot be prepared there: {reason}. Make room, or "
            "name another folder in XDG_CACHE_HOME."
        ) from error
    return target


def cached_file(path: Path, cache: Path | None = None) -> Path:
    """The base path of the served model for one file of weights, imported as a set is.

    Args:
        path: The file, of any name.
        cache: Folder of exported models; the user's cache by default.

    Raises:
        WeightsError: It is none, or does not fit.
        ExportError: The cache cannot be written.
    """
    from synthseg_serving.model_config import read_set
    from synthseg_serving.official.weights import inspect_weights

    place = path.resolve()
    digest = hashlib.sha256(str(place).encode()).hexdigest()[:_KEY_DIGITS]
    # A folder with a link to the file is a set of one.
    link = (cache or user_cache()) / _FOLDER / "files" / digest / _FILE_NAME
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(place)
    except OSError as error:
        raise ExportError(f"{link} cannot be written: {reason_of(error)}.") from error
    try:
        found = cached_set(link.parent, cache)
    except WeightsError:
        inspect_weights(path)  # says what is wrong by the name that the user knows
        raise
    (model,) = read_set(found)
    return model.base_path


def _key_of(folder: Path) -> str:
    """Changes with the files' names, sizes and times, with their place, and with what is written.

    Which of the files are networks of ours is not looked at: that takes seconds. So one of another
    program that changes leads to another import, and never to a set that is out of date.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == WEIGHTS_ENDING)
        stats = [(p.name, p.stat()) for p in paths if p.name not in NOT_SERVED]
    except OSError as error:
        raise WeightsError(f"{folder} cannot be read: {reason_of(error)}.") from error
    told = [f"export format {FORMAT_VERSION}", str(folder.resolve())]
    told += [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:_KEY_DIGITS]


def _is_there(target: Path) -> bool:
    """Whether a set is there; its list is put right where the cache has moved meanwhile."""
    listing = target / MODELS_CONFIG
    if not listing.is_file():
        return False
    if f'"{target.absolute()}/' not in listing.read_text(encoding="utf-8"):
        from synthseg_serving.model_config import read_config_file, write_config

        names = [model.name for model in read_config_file(listing)]
        there = [ModelConfig(name=n, base_path=target.absolute() / n) for n in names]
        with contextlib.suppress(OutputError):  # read-only: `read_set` looks beside the list
            write_text(listing, write_config(there))
    return True


def _import(folder: Path, target: Path, alone: bool) -> None:
    """Writes a set beside its place, then moves it there.

    Args:
        folder: Of weights.
        target: The set's place.
        alone: Whether nobody else can be at it: what lies beside was left by one that was killed.
    """
    # Those who go without the lock have a name of their own, so that nobody tidies it away.
    from synthseg_serving.official.importing import find_weights, write_models

    prefix = f".{target.name}{'-' if alone else '+'}"
    if alone:
        for left in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
    files, _ = find_weights(folder)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=prefix))
    try:
        write_models(files, temporary / target.name, listed_at=target)
        (temporary / target.name).rename(target)
    except OSError:
        # Another process was faster where locks do not hold; its set is the same.
        if not _is_there(target):
            raise
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)
