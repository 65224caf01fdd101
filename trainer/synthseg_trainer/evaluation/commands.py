"""The commands `synthseg-trainer evaluate` and `validate`: parse, call, report."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click
from synthseg_common.option_groups import argument, option, with_options

_PATH = click.Path(path_type=Path)
_MERGE_PARCELS = "Read cortical parcels 1xxx, 2xxx as 3 and 42."
LEFT_OUT = 1
"""Exit code where a file cannot be read and the other scans are scored."""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What is scored, and how."""

    truth: Path = argument(type=_PATH)
    answers: Path = argument(type=_PATH)
    output: Path | None = option(
        "--o",
        type=_PATH,
        help="A .csv file for Dice only, one row per scan; or a folder for all tables and a box "
        "plot.",
    )
    against: Path | None = option(
        "--against",
        type=_PATH,
        help="Segmentations by another method, to compare ANSWERS with by statistical tests; "
        "p values are not corrected for multiple testing.",
    )
    posteriors: Path | None = option(
        "--posteriors",
        type=_PATH,
        help="Probability maps of ANSWERS, for soft Dice, with channels sorted by label value.",
    )
    distances: bool = option(
        "--distances",
        is_flag=True,
        help="Measure surface distances: Hausdorff distance (100, 99, 95 %) and mean.",
    )
    voxels: bool = option("--voxels", is_flag=True, help="Give distances in voxels instead of mm.")
    as_original: bool = option(
        "--as-original",
        is_flag=True,
        help="Score as the original does: distances in voxels, its bounding boxes, its values for "
        "missing structures.",
    )
    label_list: str | None = option(
        "--labels",
        help="Labels to score: a list (2,3,41), v1, v2, or a file (label table, .npy or text). By "
        "default those that occur in both.",
    )
    merge_parcels: bool = option("--merge-parcels", is_flag=True, help=_MERGE_PARCELS)
    partial: bool = option(
        "--partial", is_flag=True, help="Leave out scans that one of the folders lacks."
    )
    jobs: int = option("--jobs", default=1, type=click.IntRange(min=1), help="Processes to use.")


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """Which run is scored on which scans, and how."""

    run: Path = argument(type=_PATH)
    scans: Path = option("--scans", required=True, type=_PATH, help="Folder of scans.")
    labels: Path = option(
        "--labels", required=True, type=_PATH, help="Folder of label maps of the same names."
    )
    output: Path | None = option(
        "--o", type=_PATH, help="Folder of the results; RUN/validation by default."
    )
    every: int = option(
        "--every", default=1, type=click.IntRange(min=1), help="Score every n-th checkpoint."
    )
    flip: bool = option(
        "--flip",
        is_flag=True,
        help="Average with the result of the mirrored scan, as a server does.",
    )
    limit: int | None = option(
        "--crop",
        type=click.IntRange(min=1),
        help="Longest side in voxels; larger scans are cut around the structures. By default 192 "
        "for brains.",
    )
    merge_parcels: bool = option("--merge-parcels", is_flag=True, help=_MERGE_PARCELS)
    partial: bool = option(
        "--partial", is_flag=True, help="Leave out scans that have no label map."
    )
    threads: int | None = option(
        "--threads", type=click.IntRange(min=1), help="CPU threads; all cores by default."
    )


@click.command()
@with_options(EvaluateOptions, "options")
def evaluate(options: EvaluateOptions) -> None:
    """Scores segmentations against others of the same scans: Dice, surface distances, tests.

    TRUTH and ANSWERS are two label maps, or two folders whose files have the same names (endings
    and `_synthseg` aside). Grids may differ: the truth is looked up at the answer's voxels. With
    --against, the two sets of answers are compared by paired Wilcoxon tests and Cohen's d.

    Without --labels, a label is scored if it occurs in the truth and in at least one set of
    answers; where one map of a scan lacks it, Dice is 0. If a file cannot be read, its scan is left
    out and named, and the exit code is 1.
    """
    from synthseg_trainer.evaluation import report
    from synthseg_trainer.evaluation.label_lists import read_label_list
    from synthseg_trainer.evaluation.pair_scores import Scoring
    from synthseg_trainer.evaluation.summary import summary

    labels = read_label_list(options.label_list) if options.label_list else None
    scoring = Scoring(
        labels=labels,
        merge_parcels=options.merge_parcels,
        distances=options.distances,
        voxels=options.voxels,
        as_original=options.as_original,
    )
    request = report.Evaluation(
        truth=options.truth,
        answers=options.answers,
        against=options.against,
        posteriors=options.posteriors,
        scoring=scoring,
        partial=options.partial,
        output=options.output,
    )
    result = report.evaluate(request, jobs=options.jobs)
    for line in summary(request, result):
        click.echo(line)
    files = report.write_result(request, result)
    if files:
        click.echo(f"Wrote {', '.join(path.name for path in files)} to {files[0].parent}.")
    if labels is None and len(files) > 1:
        click.echo(
            "Structures go by their numbers: --labels v2 or your table names them.", err=True
        )
    for failure in result.first.failures:
        click.echo(f"Left out: {failure}", err=True)
    if result.first.failures:
        sys.exit(LEFT_OUT)


@click.command()
@with_options(ValidateOptions, "options")
def validate(options: ValidateOptions) -> None:
    """Scores the checkpoints of RUN on scans with label maps, and names the best.

    Writes tables, curves and the best network to RUN/validation. Checkpoints that have scores
    already are not scored again. Scans are resampled and segmented as by a server, but without the
    clean-up of connected components; label maps are looked up at the voxels of the answer.
    """
    from synthseg_trainer.startup import prepare_tensorflow

    prepare_tensorflow(options.threads)
    from synthseg_trainer.evaluation import validate as validation
    from synthseg_trainer.runs.best import BEST

    how = validation.ValidationOptions(
        flip=options.flip, limit=options.limit, merge_parcels=options.merge_parcels
    )
    found = validation.validate(
        options.run,
        options.scans,
        options.labels,
        how,
        output=options.output,
        every=options.every,
        partial=options.partial,
        say=click.echo,
    )
    best = found.folder / BEST
    click.echo(f"Best: step {found.best.step}, mean Dice {found.best.mean:.3f}; kept as {best}.")
    click.echo(f"Curves: {found.folder / validation.CURVES}")
    click.echo(f"Export it: synthseg-serving export {best} models/NAME")
