"""The command `synthseg-generator`: parses, calls, reports. Importing it loads nothing heavy."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from synthseg_common.command_line import ErrorReportingGroup, UsageProblem
from synthseg_common.option_groups import with_options

from synthseg_generator.cli_options import (
    PriorOptions,
    SourceOptions,
    WorkOptions,
    first_option,
    open_source,
    progress_bar,
)

_takes_source = with_options(SourceOptions, "source")
_takes_work = with_options(WorkOptions, "work")
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
@_takes_work
def ingest(label_dir: Path, store: str, labels: str, work: WorkOptions) -> None:
    """Writes the label maps (NIfTI, MGH) of LABEL_DIR into STORE, a local path or fsspec URL.

    Maps are aligned to RAS and must share a voxel size. A new store appears whole or not at all;
    run again, the command adds the maps that are new.
    """
    from synthseg_generator.label_table import read_label_table
    from synthseg_generator.store.ingest import ingest as run

    table = read_label_table(labels)
    with progress_bar("ingest") as progress:
        report = run(
            label_dir,
            store,
            table,
            workers=work.workers,
            scheduler=work.scheduler,
            progress=progress,
        )
    click.echo(f"{store}: {len(report.written)} maps added, {len(report.kept)} were there.")


@main.command("add-scans")
@click.argument("scan_dir", type=click.Path(path_type=Path))
@click.argument("store")
@click.option(
    "--scan-suffix",
    default="",
    help="Ending of scan names that the names of their maps do not have, such as _T1w.",
)
@click.option(
    "--map-suffix",
    default="",
    help="Ending of map names that the names of their scans do not have, such as _dseg.",
)
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
    help="Report structures that are smaller than this.",
)
@_takes_work
def check(store: str, min_volume_mm3: float, work: WorkOptions) -> None:
    """Says what is wrong with the label maps of STORE for training; exit code 1 on errors."""
    from synthseg_generator.check.linter import Severity
    from synthseg_generator.check.linter import check as run
    from synthseg_generator.store.label_store import open_store

    opened = open_store(store)
    with progress_bar("check") as progress:
        findings = run(
            opened,
            min_volume_mm3=min_volume_mm3,
            workers=work.workers,
            scheduler=work.scheduler,
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
@click.option(
    "--samples", type=click.IntRange(1, 100), default=6, show_default=True, help="How many samples."
)
@first_option
@click.option("--stages", is_flag=True, help="Show each sample step by step instead.")
@_takes_source
def preview(
    store: str, picture: Path, samples: int, first: int, stages: bool, source: SourceOptions
) -> None:
    """Draws synthetic scans beside their labels into PICTURE; the same seed draws the same."""
    if source.scans and stages:
        raise UsageProblem("--stages shows synthetic scans: leave --stages or --scans out.")
    opened = open_source(store, source)
    from synthseg_generator.brain_generator import BrainGenerator
    from synthseg_generator.pictures.preview import preview as draw_sheet
    from synthseg_generator.pictures.stages import draw_stages
    from synthseg_generator.scan_generator import choose_generator

    if stages:
        draw_stages(BrainGenerator.from_source(opened), picture, samples, first)
    else:
        draw_sheet(choose_generator(opened), picture, samples, first)
    click.echo(str(picture))


@main.command()
@click.argument("store")
@click.argument("plan")
@click.option("--samples", type=click.IntRange(1), required=True, help="How many samples.")
@with_options(SourceOptions, "source", leave_out=("plan_path", "scans"))
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes that draw. By default one per core, and none if the plan is small.",
)
@with_options(WorkOptions, "work", leave_out=("workers",))
def plan(
    store: str,
    plan: str,
    samples: int,
    source: SourceOptions,
    workers: int | None,
    work: WorkOptions,
) -> None:
    """Draws the parameters of samples of STORE into PLAN, a local path or fsspec URL.

    The plan is the same to the byte for any number of workers. A finished plan is never redrawn.
    """
    from synthseg_generator.feed.plan_writing import write_plan

    opened = open_source(store, source)
    workers = workers or os.cpu_count() or 1
    with progress_bar("plan") as progress:
        drawn = write_plan(
            opened, samples, plan, workers=workers, scheduler=work.scheduler, progress=progress
        )
    versions = ", ".join(f"{name} {version}" for name, version in drawn.versions.items())
    click.echo(f"{plan}: {drawn.n_samples} samples, drawn by {versions}.")


@main.command()
@click.argument("store")
@click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--samples", type=click.IntRange(1), required=True, help="How many samples.")
@first_option
@_takes_source
@_takes_work
def generate(
    store: str, out_dir: Path, samples: int, first: int, source: SourceOptions, work: WorkOptions
) -> None:
    """Writes synthetic scans and their labels as NIfTI files into OUT_DIR; resumable."""
    opened = open_source(store, source)
    from synthseg_generator.sample_files import generate as run

    with progress_bar("generate") as progress:
        report = run(
            opened,
            out_dir,
            samples,
            first=first,
            workers=work.workers,
            scheduler=work.scheduler,
            progress=progress,
        )
    click.echo(f"{out_dir}: {len(report.written)} samples made, {len(report.kept)} were there.")


@main.command()
@click.argument("scan_dir", type=click.Path(path_type=Path))
@click.argument("label_dir", type=click.Path(path_type=Path))
@click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
@with_options(PriorOptions, "options")
def priors(scan_dir: Path, label_dir: Path, out_dir: Path, options: PriorOptions) -> None:
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

    table = read_label_table(options.labels).labels
    settings = PriorSettings(
        values=table.values,
        classes=find_tissue_classes(table) if options.tissue_classes else table.classes,
        rescale=options.rescale,
        mad=Mad[options.mad.upper()],
    )
    scans, label_maps = zip(*find_pairs(scan_dir, label_dir), strict=True)
    for path in save_priors(estimate_priors(scans, label_maps, settings), out_dir):
        click.echo(str(path))


if __name__ == "__main__":
    main()
