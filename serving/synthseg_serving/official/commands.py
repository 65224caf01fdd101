"""What `import-weights` does once its options are parsed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from synthseg_common.contract import DEFAULT_MAX_VOXELS
from synthseg_common.official_weights import find_official

from synthseg_serving.errors import WeightsError
from synthseg_serving.official.cache import cached_set
from synthseg_serving.official.networks import V1, V2
from synthseg_serving.official.weights import OfficialFile, inspect_weights

_TABLES = {"v1": V1, "v2": V2}


@dataclass(frozen=True, kw_only=True)
class FileChoice:
    """What is said of a single file.

    Attributes:
        labels: Table that it must have.
        version: Number of the version; the next free one by default.
        name: Name under which it will be served.
    """

    labels: Literal["v1", "v2"] | None = None
    version: int | None = None
    name: str | None = None


def import_from(
    source: Path | None, models: Path | None, choice: FileChoice, max_voxels: int
) -> None:
    """Imports a folder or a file and says what came of it.

    Raises:
        SynthSegError: There are no weights, a file does not fit, or a folder cannot be written.
        click.UsageError: Options that go with a single file were given with a folder, or the like.
    """
    place = source if source is not None else find_official()
    if not place.is_dir():
        if models is None:
            raise click.UsageError("name the model's own folder: import-weights FILE MODEL_DIR.")
        click.echo(_import_file(place, models, choice, max_voxels))
        return
    if choice != FileChoice():
        raise click.UsageError("--labels, --version and --name go with a single file.")
    if models is None:
        if max_voxels != DEFAULT_MAX_VOXELS:
            raise click.UsageError("--max-voxels needs a folder for the models.")
        click.echo(cached_set(place))
        return
    from synthseg_serving.official.importing import import_folder

    written, left = import_folder(place, models, max_voxels)
    for folder in written:
        click.echo(folder)
    if left:
        click.echo(f"left alone, not served here: {', '.join(left)}.", err=True)


def _import_file(path: Path, model_dir: Path, choice: FileChoice, max_voxels: int) -> Path:
    from synthseg_serving.official.export import export_official

    file = inspect_weights(path)
    if choice.labels is not None:
        _refuse_other_table(file, choice.labels)
    if file.released:
        click.echo(f"{path} is the released {file.network.title}.", err=True)
    return export_official(file, model_dir, choice.version, choice.name, max_voxels)


def _refuse_other_table(file: OfficialFile, labels: str) -> None:
    wanted = _TABLES[labels]
    if file.network is wanted:
        return
    fitting = [name for name, network in _TABLES.items() if network is file.network]
    if fitting:
        raise WeightsError(
            f"{file.path} answers {len(file.network.labels)} labels, {labels} has "
            f"{len(wanted.labels)}; use --labels {fitting[0]}."
        )
    raise WeightsError(
        f"{file.path} holds {file.network.title}, which has a table of its own: leave --labels out."
    )
