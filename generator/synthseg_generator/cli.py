"""The command `synthseg-generator`: parses, calls, reports. Importing it loads nothing heavy."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from synthseg_common.command_line import ErrorReportingGroup, UsageProblem

from synthseg_generator.cli_options import (
    SourceOptions,
    first_option,
    open_source,
    plan_option,
    progress_bar,
    scans_option,
    scheduler_option,
    seed_option,
    settings_option,
    without_option,
    workers_option,
)

FOUND_PROBLEMS = 1


@click.group(cls=ErrorReportingGroup, extra="generator")
@click.version_option(package_name="synthseg-serving")
def main() -> None:
    """Makes synthetic brain scans of any contrast and resolution from label maps."""
    # Read once, when TensorFlow is imported: twice as fast on many CPUs, and no start-up chatter.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@main.command()
@click.argument("label_dir", type=click.Path(path_type=Path))
@click.argument("store")
@click.option(
    "--labels",
    "labels",
    default="v2",
    show_default=True,
    help="Labels that the maps may hold: v2, v1 (SynthSeg 1.0), or a JSON or YAML file.",
)
@workers_option
@scheduler_option
def ingest(label_dir: Path, store: str, labels: str, workers: int, scheduler: str | None) -> None:
    """Writes the label maps (NIfTI, MGH) of LABEL_DIR into STORE, a local path or fsspec URL.

    Maps are aligned to RAS and must share a voxel size. A new store appears whole or not at all;
    run again, the command adds the maps that are new.
    """
    from synthseg_generator.label_table import read_label_table
    from synthseg_generator.store.ingest import ingest as run

    table = read_label_table(labels)
    with progress_bar("ingest") as progress:
        report = run(
            label_dir, store, table, workers=workers, scheduler=scheduler, progress=progress
        )
    click.echo(f"{store}: {len(report.written)} maps added, {len(report.kept)} were there.")


@main.command("add-scans")
@click.argument("scan_dir", type=click.Path(path_type=Path))
@click.argument("store")
@click.option(
    "--scan-suffix", default="", help="End of the scans' names that their maps do not have: _T1w."
)
@click.option("--map-suffix", default="", help="End of the maps' names instead: _dseg.")
def add_scans(scan_dir: Path, store: str, scan_suffix: str, map_suffix: str) -> None:
    """Puts the scans of SCAN_DIR beside the label maps of STORE, for supervised training.

    A scan has the name of its map and lies on the same voxels. Run again, the command adds the
    scans that are new.
    """
    from synthseg_generator.scans.stored_scans import add_scans as run
    from synthseg_generator.store.label_store import open_store

    with progress_bar("add-scans") as progress:
        report = run(
            scan_dir,
            open_store(store),
            scan_suffix=scan_suffix,
            map_suffix=map_suffix,
            progress=progress,
        )
    click.echo(f"{store}: {len(report.written)} scans added, {len(report.kept)} were there.")
    if report.lacking:
        names = ", ".join(report.lacking[:5]) + (", ..." if len(report.lacking) > 5 else "")
        click.echo(f"{len(report.lacking)} maps have no scan yet: {names}.")


@main.command()
@click.argument("store")
@click.option(
    "--min-volume-mm3",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="Smaller structures are reported.",
)
@workers_option
@scheduler_option
def check(store: str, min_volume_mm3: float, workers: int, scheduler: str | None) -> None:
    """Says what is wrong with the label maps of STORE for training; exit code 1 on errors."""
    from synthseg_generator.check.linter import Severity
    from synthseg_generator.check.linter import check as run
    from synthseg_generator.store.label_store import open_store

    opened = open_store(store)
    with progress_bar("check") as progress:
        findings = run(
            opened,
            min_volume_mm3=min_volume_mm3,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
    for finding in findings:
        click.echo(str(finding))
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    click.echo(f"{len(opened)} maps: {errors} errors, {len(findings) - errors} warnings.")
    if errors:
        sys.exit(FOUND_PROBLEMS)


@main.command()
@click.argument("store")
@click.argument("picture", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--samples", type=click.IntRange(1, 100), default=6, show_default=True)
@first_option
@click.option("--stages", is_flag=True, help="Show each sample step by step instead.")
@seed_option
@settings_option
@plan_option
@without_option
@scans_option
def preview(
    store: str,
    picture: Path,
    samples: int,
    first: int,
    stages: bool,
    seed: int,
    settings_path: Path | None,
    plan_path: str | None,
    without: tuple[str, ...],
    scans: bool,
) -> None:
    """Draws synthetic scans beside their labels into PICTURE; the same seed draws the same."""
    if scans and stages:
        raise UsageProblem("--stages shows synthetic scans: leave --stages or --scans out.")
    source = open_source(
        SourceOptions(
            store=store,
            seed=seed,
            settings_path=settings_path,
            plan_path=plan_path,
            without=without,
            scans=scans,
        )
    )
    from synthseg_generator.brain_generator import BrainGenerator
    from synthseg_generator.pictures.preview import preview as draw_sheet
    from synthseg_generator.pictures.stages import draw_stages
    from synthseg_generator.scan_generator import choose_generator

    if stages:
        draw_stages(BrainGenerator.from_source(source), picture, samples, first)
    else:
        draw_sheet(choose_generator(source), picture, samples, first)
    click.echo(str(picture))


@main.command()
@click.argument("store")
@click.argument("plan")
@click.option("--samples", type=click.IntRange(1), required=True, help="How many samples.")
@seed_option
@settings_option
@without_option
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes that draw; one per core by default, none for a plan of one block.",
)
@scheduler_option
def plan(
    store: str,
    plan: str,
    samples: int,
    seed: int,
    settings_path: Path | None,
    without: tuple[str, ...],
    workers: int | None,
    scheduler: str | None,
) -> None:
    """Draws the parameters of samples of STORE into PLAN, a local path or fsspec URL.

    The same bytes for any number of workers. A finished plan is never redrawn.
    """
    from synthseg_generator.feed.plan_writing import write_plan

    source = open_source(
        SourceOptions(store=store, seed=seed, settings_path=settings_path, without=without)
    )
    workers = workers or os.cpu_count() or 1
    with progress_bar("plan") as progress:
        drawn = write_plan(
            source, samples, plan, workers=workers, scheduler=scheduler, progress=progress
        )
    versions = ", ".join(f"{name} {version}" for name, version in drawn.versions.items())
    click.echo(f"{plan}: {drawn.n_samples} samples, drawn by {versions}.")


@main.command()
@click.argument("store")
@click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--samples", type=click.IntRange(1), required=True, help="How many samples.")
@first_option
@seed_option
@settings_option
@plan_option
@without_option
@scans_option
@workers_option
@scheduler_option
def generate(
    store: str,
    out_dir: Path,
    samples: int,
    first: int,
    seed: int,
    settings_path: Path | None,
    plan_path: str | None,
    without: tuple[str, ...],
    scans: bool,
    workers: int,
    scheduler: str | None,
) -> None:
    """Writes synthetic scans and their labels as NIfTI files into OUT_DIR; resumable."""
    source = open_source(
        SourceOptions(
            store=store,
            seed=seed,
            settings_path=settings_path,
            plan_path=plan_path,
            without=without,
            scans=scans,
        )
    )
    from synthseg_generator.sample_files import generate as run

    with progress_bar("generate") as progress:
        report = run(
            source,
            out_dir,
            samples,
            first=first,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
    click.echo(f"{out_dir}: {len(report.written)} samples made, {len(report.kept)} were there.")


@main.command()
@click.argument("scan_dir", type=click.Path(path_type=Path))
@click.argument("label_dir", type=click.Path(path_type=Path))
@click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--labels",
    "labels",
    default="v2",
    show_default=True,
    help="Labels and intensity classes: v2, v1, or a JSON or YAML file.",
)
@click.option(
    "--tissue-classes",
    is_flag=True,
    help="Both sides alike and similar tissues together, as for contrast-specific training.",
)
@click.option("--rescale/--no-rescale", default=True, show_default=True, help="Scale scans first.")
@click.option(
    "--mad",
    type=click.Choice(["gaussian", "raw"]),
    default="gaussian",
    show_default=True,
    help="Deviations times 1.4826 (as the original with SciPy 1.4), or plain (with later SciPy).",
)
def priors(
    scan_dir: Path,
    label_dir: Path,
    out_dir: Path,
    labels: str,
    tissue_classes: bool,
    rescale: bool,
    mad: str,
) -> None:
    """Estimates how bright each class is in the scans of one contrast, from scans and label maps.

    Files are matched in sorted order and must share their grid. OUT_DIR receives mixture.yaml for a
    settings file, and prior_means.npy and prior_stds.npy in the original's layout.
    """
    from synthseg_generator.label_table import read_label_table
    from synthseg_generator.priors import (
        Mad,
        PriorSettings,
        estimate_priors,
        find_pairs,
        find_tissue_classes,
        save_priors,
    )

    table = read_label_table(labels).labels
    settings = PriorSettings(
        values=table.values,
        classes=find_tissue_classes(table) if tissue_classes else table.classes,
        rescale=rescale,
        mad=Mad[mad.upper()],
    )
    scans, label_maps = zip(*find_pairs(scan_dir, label_dir), strict=True)
    for path in save_priors(estimate_priors(scans, label_maps, settings), out_dir):
        click.echo(str(path))


if __name__ == "__main__":
    main()
