"""What several commands of `synthseg-generator` share: options, the samples they name, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from synthseg_common.command_line import UsageProblem

if TYPE_CHECKING:
    from synthseg_generator.feed.samples import SampleSource
    from synthseg_generator.store.label_store import LabelStore

settings_option = click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML or JSON file with the generative model, or a recipe by name (released, 2021); by "
    "default that of the released network.",
)
seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Names the samples."
)
plan_option = click.option(
    "--plan", "plan_path", help="Take samples from this plan; it fixes settings and seed."
)
first_option = click.option(
    "--first", type=click.IntRange(0), default=0, show_default=True, help="Number of the first."
)
without_option = click.option(
    "--without",
    multiple=True,
    metavar="MAP",
    help="Leave this map of STORE out, as a training does with those that it validates on.",
)
scans_option = click.option(
    "--scans",
    is_flag=True,
    help="Augment the scans of STORE instead, as supervised training does; --settings may be its "
    "file, of which the groups generator and supervised count.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that share the work; 1 starts none.",
)
scheduler_option = click.option(
    "--scheduler", help="Address of a running Dask scheduler to use instead, tcp://host:port."
)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which samples a command shall take, as its options say.

    Attributes:
        store: The label store.
        seed: Names the samples.
        settings_path: File or recipe with the generative model; `None` for the released one.
        plan_path: A plan that the samples are taken from.
        without: Maps that are left out.
        scans: Whether the store's scans are augmented instead.
    """

    store: str
    seed: int
    settings_path: Path | None = None
    plan_path: str | None = None
    without: tuple[str, ...] = ()
    scans: bool = False


def open_source(options: SourceOptions) -> SampleSource:
    """The samples that the options name: drawn, planned, or of the store's scans.

    Raises:
        GeneratorError: The store, the plan or the settings cannot be read, or do not fit together.
        UsageProblem: Options contradict each other.
    """
    from synthseg_generator.feed.plan import open_plan
    from synthseg_generator.feed.samples import SampleSource
    from synthseg_generator.scans.samples import ScanSampleSource
    from synthseg_generator.settings.files import load_scan_noise, load_settings

    store = _open_store(options)
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


def _open_store(options: SourceOptions) -> LabelStore:
    """The store, or what is left of it without some maps."""
    from synthseg_generator.store.label_store import open_store

    store = open_store(options.store)
    if not options.without:
        return store
    store.select(options.without)  # names that are not there
    left = [name for name in store.names if name not in options.without]
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
