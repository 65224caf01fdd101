"""The commands `synthseg-trainer evaluate` and `validate`: parse, call, report."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click
from synthseg_common.command_options import takes

_PATH = click.Path(path_type=Path)
LEFT_OUT = 1
"""Exit code where a file cannot be read and the other scans are scored."""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is asked; its help says what each of them means."""

    truth: Path
    answers: Path
    output: Path | None
    against: Path | None
    posteriors: Path | None
    distances: bool
    voxels: bool
    as_original: bool
    label_list: str | None
    merge_parcels: bool
    partial: bool
    jobs: int


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """What `validate` is asked; its help says what each of them means."""

    run: Path
    scans: Path
    labels: Path
    output: Path | None
    every: int
    flip: bool
    limit: int | None
    merge_parcels: bool
    partial: bool
    threads: int | None


@click.command()
@click.argument("truth", type=_PATH)
@click.argument("answers", type=_PATH)
@click.option(
    "--o",
    "output",
    type=_PATH,
    help="A .csv for Dice alone, one row per scan; or a folder for all tables and a box plot.",
)
@click.option(
    "--against",
    type=_PATH,
    help="Segmentations of another method, to test against; p values are of single tests.",
)
@click.option(
    "--posteriors",
    type=_PATH,
    help="Probabilities of ANSWERS, for soft Dice; channels ascend by label value.",
)
@click.option("--distances", is_flag=True, help="Measure surface distances: HD 100, 99, 95, mean.")
@click.option("--voxels", is_flag=True, help="Distances in voxels, not mm.")
@click.option(
    "--as-original",
    is_flag=True,
    help="The original's numbers: voxels, its cuts, its values for what is missing.",
)
@click.option(
    "--labels",
    "label_list",
    help="What to score: 2,3,41; v1; v2; a label table, .npy or text. "
    "By default what occurs in both.",
)
@click.option("--merge-parcels", is_flag=True, help="Read cortical parcels 1xxx, 2xxx as 3 and 42.")
@click.option("--partial", is_flag=True, help="Leave out scans that one of the folders lacks.")
@click.option("--jobs", default=1, type=click.IntRange(min=1), help="Processes.")
@takes(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Scores segmentations against others of the same scans: Dice, surface distances, tests.

    TRUTH and ANSWERS are two label maps, or two folders whose files have the same names (endings
    and `_synthseg` aside). Grids may differ: the truth is looked up at the answer's voxels. With
    --against, the two sets of answers are compared by paired Wilcoxon tests and Cohen's d.
    What the truth and either set know is scored, with Dice 0 where a map misses it. A scan of
    which a file cannot be read is left out and named; the exit code is 1 then.
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
@click.argument("run", type=_PATH)
@click.option("--scans", required=True, type=_PATH, help="Folder of scans.")
@click.option("--labels", required=True, type=_PATH, help="Folder of label maps of the same names.")
@click.option("--o", "output", type=_PATH, help="Folder of the results; RUN/validation by default.")
@click.option("--every", default=1, type=click.IntRange(min=1), help="Score every n-th checkpoint.")
@click.option("--flip", is_flag=True, help="Average with the mirrored pass, as a server does.")
@click.option(
    "--crop",
    "limit",
    type=click.IntRange(min=1),
    help="Longest side in voxels, cut around the structures; 192 for brains by default.",
)
@click.option("--merge-parcels", is_flag=True, help="Read cortical parcels 1xxx, 2xxx as 3 and 42.")
@click.option("--partial", is_flag=True, help="Leave out scans that have no label map.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all cores by default.")
@takes(ValidateOptions)
def validate(options: ValidateOptions) -> None:
    """Scores the checkpoints of RUN on scans with label maps, and names the best.

    Checkpoints that are scored already are not scored again. Writes tables, curves and the best
    network to RUN/validation. Scans are resampled and segmented as a server does, but for the
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
