"""What `segment` does once its options are read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from synthseg_client.batch.dicom_outputs import with_dicom_outputs
from synthseg_client.batch.folders import with_folders
from synthseg_client.batch.outcome import Outcome
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.run import run_batch
from synthseg_client.batch.settings import BatchSettings
from synthseg_client.batch.shards import Shard, shard_of
from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.commands.connection import connect
from synthseg_client.commands.pages import expect_place, report_outcomes
from synthseg_client.commands.report import Reporter
from synthseg_client.commands.scan_events import ScanEvents
from synthseg_client.commands.segment_options import Course, Modes, Places, Telling
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.commands.stored_places import (
    has_addresses,
    mirrored,
    probe_places,
    refuse_results_among_scans,
)
from synthseg_client.dicom.sources import with_series
from synthseg_client.embedded import LocalModels
from synthseg_client.errors import ClientError, UsageError
from synthseg_client.options import Crop, Options
from synthseg_client.results.embedded_colours import Embedded, LabelFileForm
from synthseg_client.results.journal import JOURNAL_NAME
from synthseg_client.storage.mirror import Mirror
from synthseg_client.telemetry.metrics import Watched, watched

_NO_CROP = "none"


def run_segment(
    places: Places, modes: Modes, course: Course, telling: Telling, server: ServerOptions
) -> int:
    """Segments; returns the exit code.

    Raises:
        ClientError: Nothing could be started.
    """
    if course.dask is not None:
        from synthseg_client.commands.dask_parts import segment_on_dask

        return segment_on_dask(course.dask, places, modes, course, telling, server)
    with Mirror() as mirror:
        try:
            plan, settings = prepare(places, modes, course, mirror)
            if places.report is not None:
                expect_place(places.report, plan)
            official, pages = modes.official, places.report
            return carry_out(plan, settings, telling, server, official=official, pages=pages)
        except ClientError as error:
            raise mirror.with_told(error) from error.__cause__


def prepare(
    places: Places, modes: Modes, course: Course, mirror: Mirror
) -> tuple[BatchPlan, BatchSettings]:
    """What there is to do, and how.

    Args:
        places: Which scans, and where results go: paths and addresses.
        modes: How to segment.
        course: How to go through them.
        mirror: Shows what lies in object storage.

    Raises:
        ClientError: The options contradict each other, or there is nothing to do.
    """
    options = chosen_options(modes, quality=places.quality is not None)
    places = mirrored(places, mirror)
    plan = _planned(places, course, mirror)
    stored = has_addresses(plan, mirror)
    if stored:
        refuse_results_among_scans(plan, mirror)
        probe_places(plan, mirror)
    journal = _journal_of(plan, course.resume)
    settings = BatchSettings(
        options=options,
        jobs=course.jobs,
        requests=course.requests,
        journal=None if stored else journal,
        resume=course.resume,
        sidecar=course.sidecar,
        tables=course.tables,
        form=LabelFileForm(embedded=Embedded.ALL if course.tables else Embedded.MGH),
        by_scan=journal is not None and (stored or course.shard is not None),
        mirror=mirror,
    )
    return plan, settings


def carry_out(
    plan: BatchPlan,
    settings: BatchSettings,
    telling: Telling,
    server: ServerOptions,
    *,
    official: bool,
    pages: Path | None = None,
) -> int:
    """Makes the folders, goes through a batch and tells of it; returns the exit code.

    Args:
        plan: What there is to do.
        settings: How.
        telling: What to tell.
        server: Which server.
        official: Whether a server that is started here segments with the official weights.
        pages: Folder for a report; None makes none.

    Raises:
        ClientError: Nothing could be started.
    """
    if official:
        _refuse_two_segmenters(server)
    plan, made = with_folders(plan)
    tasks = [*plan.tasks, *(refusal.task for refusal in plan.refused)]
    where = Watched(file=telling.metrics_file, otlp=telling.otlp)
    try:
        with (
            watched(where, len(tasks)) as metrics,
            Reporter(
                len(tasks), telling, settings.mirror.told, ScanEvents(tasks), metrics
            ) as report,
        ):
            local = _local_models(settings.options, server, official)
            outcomes = _segment_all(plan, settings, report, server, local, verbose=telling.verbose)
            if pages is not None and outcomes:
                first = report_outcomes(outcomes, pages)
                if not telling.quiet:
                    report.note(f"Report: {first}")
    except ClientError:
        for folder in made:  # nothing was started: leave no trace of it
            with suppress(OSError):
                folder.rmdir()
        raise
    return report.exit_code


def chosen_options(modes: Modes, *, quality: bool = False) -> Options:
    """The choices as the library takes them.

    Raises:
        UsageError: `--crop` is neither numbers nor `none`, or options contradict each other.
    """
    if modes.robust and modes.v1:
        raise UsageError("--robust --v1: the robust chain is of SynthSeg 2.0, choose one of them.")
    if modes.autocrop and modes.crop is not None:
        raise UsageError("--autocrop --crop: both say which part to segment, choose one of them.")
    return Options(
        crop=Crop.content() if modes.autocrop else parse_crop(modes.crop),
        # As the original: the chain is one of the fast modes.
        fast=modes.fast or modes.robust,
        ct=modes.ct,
        keep_geometry=modes.keep_geometry,
        network="robust" if modes.robust else "v1" if modes.v1 else "chosen",
        parcels=modes.parcels,
        quality=quality,
        scored_size=modes.scored_size,
        as_original=modes.as_original,
    )


def _local_models(options: Options, server: ServerOptions, official: bool) -> LocalModels:
    """What a server that is started here has to serve."""
    own = options.network == "chosen" and not (official or server.model)
    return LocalModels(
        names=options.official_models(), official=official, small=own and options.fast
    )


def _refuse_two_segmenters(server: ServerOptions) -> None:
    """Refuses --official where something else says which model segments."""
    if server.server:
        raise UsageError(
            "--official is for a server that is started here, not for --server: which models that "
            "one has is its own, and --model NAME chooses one."
        )
    if server.model:
        raise UsageError("--official --model: both say which model segments, choose one of them.")


def parse_crop(text: str | None) -> Crop:
    """The crop that `--crop` asks for.

    Raises:
        UsageError: Neither numbers nor `none`.
    """
    if text is None:
        return Crop()
    if text.strip().lower() == _NO_CROP:
        return Crop.none()
    try:
        return Crop.of_size([int(word) for word in text.replace(",", " ").split()])
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"--crop {text}: expected one number, three, or 'none'.") from error


def _planned(places: Places, course: Course, mirror: Mirror) -> BatchPlan:
    beside = BatchSettings(sidecar=course.sidecar, tables=course.tables).beside()
    shard = None if course.shard is None else Shard.of(course.shard)
    stored = [scan for scan in places.scans if mirror.address_of(Path(scan)) is not None]
    others = [scan for scan in places.scans if scan not in stored]
    plan = plan_batch(
        # What is stored elsewhere has no content yet to be recognised by.
        [*(with_series(others, places.series) if others or places.series else []), *stored],
        places.labels,
        posteriors=places.posteriors,
        resampled=places.resampled,
        volumes=places.volumes,
        quality=places.quality,
        beside_scans=places.beside_scans,
        beside=beside,
    )
    plan = with_dicom_outputs(plan, places.dicom_seg, places.dicom_sr, beside)
    return plan if shard is None else shard_of(plan, shard, places.scans)


def _segment_all(
    plan: BatchPlan,
    settings: BatchSettings,
    report: Reporter,
    server: ServerOptions,
    local: LocalModels,
    *,
    verbose: bool,
) -> list[Outcome]:
    """Segments, telling meanwhile; returns what became of each scan."""
    outcomes = [Outcome(r.task, "failed", r.reason, error_kind="ScanError") for r in plan.refused]
    for outcome in outcomes:
        report.add(outcome)
    if not plan.tasks and not outcomes:
        report.note("No scan is in this part: nothing to do.")
    if plan.tasks:
        connected = connect(server, RetryPolicy(), report.note, local=local, show_log=verbose)
        with connected as session:
            for outcome in run_batch(session, plan, settings):
                report.add(outcome)
                outcomes.append(outcome)
    return outcomes


def _journal_of(plan: BatchPlan, resume: bool) -> Path | None:
    """Where to record finished scans; a single scan is recorded only with `--resume`."""
    if plan.single and not resume:
        return None
    return plan.folder / JOURNAL_NAME
