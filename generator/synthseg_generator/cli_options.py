"""Options of `synthseg-generator`, the samples they name, and progress; loads nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from synthseg_common.command_line import UsageProblem
from synthseg_common.option_groups import option

if TYPE_CHECKING:
    from synthseg_generator.feed.samples import SampleSource
    from synthseg_generator.store.label_store import LabelStore

_FILE = click.Path(path_type=Path, dir_okay=False)

first_option = click.option(
    "--first",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of the first sample.",
)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which samples of a store a command shall take."""

    seed: int = option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Seed of all random draws: the same seed gives the same samples.",
    )
    settings_path: Path | None = option(
        "--settings",
        type=_FILE,
        help="YAML or JSON file with the generative model, or a recipe by name (released, 2021); "
        "by default that of the released network.",
    )
    plan_path: str | None = option(
        "--plan", help="Take samples from this plan; it fixes settings and seed."
    )
    without: tuple[str, ...] = option(
        "--without",
        multiple=True,
        metavar="MAP",
        help="Leave out this map of STORE, as training leaves out the maps that it validates on; "
        "may be repeated.",
    )
    scans: bool = option(
        "--scans",
        is_flag=True,
        help="Augment the scans of STORE instead of making synthetic ones, as supervised training "
        "does. --settings may then be the file of a training: its groups generator and supervised "
        "are read.",
    )


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Which processes share the work."""

    workers: int = option(
        "--workers",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Processes that share the work; 1 starts none.",
    )
    scheduler: str | None = option(
        "--scheduler", help="Address of a running Dask scheduler to use instead, tcp://host:port."
    )


@dataclass(frozen=True, kw_only=True)
class PriorOptions:
    """Which classes are estimated, and how."""

    labels: str = option(
        "--labels",
        default="v2",
        show_default=True,
        help="Labels and intensity classes: v2, v1, or a JSON or YAML file.",
    )
    tissue_classes: bool = option(
        "--tissue-classes",
        is_flag=True,
        help="One class for both sides and for similar tissues, as for contrast-specific training.",
    )
    rescale: bool = option(
        "--rescale/--no-rescale",
        default=True,
        show_default=True,
        help="Rescale the intensities of each scan first.",
    )
    mad: str = option(
        "--mad",
        type=click.Choice(["gaussian", "raw"]),
        default="gaussian",
        show_default=True,
        help="gaussian: multiply median absolute deviations by 1.4826, to estimate standard "
        "deviations (as the original does with SciPy 1.4); raw: leave them as they are (as the "
        "original does with later SciPy).",
    )


def open_source(store_path: str, options: SourceOptions) -> SampleSource:
    """The samples of a store that the options name: drawn, planned, or of the store's scans.

    Raises:
        GeneratorError: The store, the plan or the settings cannot be read, or do not fit together.
        UsageProblem: Options contradict each other.
    """
    from synthseg_generator.feed.plan import open_plan
    from synthseg_generator.feed.samples import SampleSource
    from synthseg_generator.scans.samples import ScanSampleSource
    from synthseg_generator.settings.files import load_scan_noise, load_settings

    store = _open_store(store_path, options.without)
    if options.plan_path is not None:
        _refuse_beside_plan(options)
        return open_plan(options.plan_path, store)
    settings = load_settings(options.settings_path)
    source = SampleSource(store, settings, options.seed)
    if options.scans:
        noise = load_scan_noise(options.settings_path)
        source = ScanSampleSource(store, settings, noise, options.seed)
    source.check()
    return source


def _open_store(path: str, without: tuple[str, ...]) -> LabelStore:
    """The store, or what is left of it without some maps."""
    from synthseg_generator.store.label_store import open_store

    store = open_store(path)
    if not without:
        return store
    store.select(without)  # names that are not there
    left = [name for name in store.names if name not in without]
    if not left:
        raise UsageProblem(f"--without leaves no map of {store.path}.")
    return store.select(left)


def _refuse_beside_plan(options: SourceOptions) -> None:
    if options.scans:
        raise UsageProblem("a plan is of synthetic scans: leave --plan or --scans out.")
    given = click.get_current_context().get_parameter_source("seed")
    if options.settings_path is not None or given is not click.core.ParameterSource.DEFAULT:
        raise UsageProblem("--plan fixes settings and seed: leave --settings and --seed out.")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal's error stream; nothing elsewhere."""
    from tqdm import tqdm

    with tqdm(desc=title, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
