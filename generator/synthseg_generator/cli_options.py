"""What several commands of `synthseg-generator` share: options, the samples they name, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from synthseg_common.command_line import UsageProblem

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


def find_source(
    store: str,
    seed: int,
    settings_path: Path | None,
    plan_path: str | None,
    without: tuple[str, ...],
    scans: bool = False,
) -> Any:
    """The samples that the options name: drawn, planned, or of the store's scans."""
    from synthseg_generator.feed.plan import open_plan
    from synthseg_generator.feed.samples import SampleSource
    from synthseg_generator.scans.samples import ScanSampleSource
    from synthseg_generator.settings.files import load_scan_noise, load_settings
    from synthseg_generator.store.label_store import open_store

    opened = open_store(store)
    if without:
        opened.select(without)  # names that are not there
        left = [name for name in opened.names if name not in without]
        if not left:
            raise UsageProblem(f"--without leaves no map of {opened.path}.")
        opened = opened.select(left)
    if plan_path is None:
        settings = load_settings(settings_path)
        source = SampleSource(opened, settings, seed)
        if scans:
            source = ScanSampleSource(opened, settings, load_scan_noise(settings_path), seed)
        source.check()
        return source
    if scans:
        raise UsageProblem("a plan is of synthetic scans: leave --plan or --scans out.")
    given = click.get_current_context().get_parameter_source("seed")
    if settings_path is not None or given is not click.core.ParameterSource.DEFAULT:
        raise UsageProblem("--plan fixes settings and seed: leave --settings and --seed out.")
    return open_plan(plan_path, opened)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal's error stream; nothing elsewhere."""
    from tqdm import tqdm

    with tqdm(desc=title, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
