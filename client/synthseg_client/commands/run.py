"""What the commands do once their options are parsed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthseg_common.contract import DEFAULT_MIN_SIZE, SIZE_MULTIPLE
from synthseg_common.processing import DEFAULT_LIMIT

from synthseg_client.api import open_session
from synthseg_client.batch.folders import with_folders
from synthseg_client.batch.plan import BatchPlan, plan_batch
from synthseg_client.batch.run import BatchSettings, Outcome, run_batch
from synthseg_client.calls.channel import ServerAddress, Tls
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import ModelChoice, Session, default_timeout_s
from synthseg_client.commands.report import Reporter, say
from synthseg_client.errors import ClientError, UsageError
from synthseg_client.options import Crop, Options
from synthseg_client.results.journal import JOURNAL_NAME

AT_ONCE = RetryPolicy(server_wait_s=0)
"""For commands that ask how things are."""
_NO_CROP = "none"
_LARGEST_VERSION = 2**63 - 1


def run_segment(given: dict[str, Any]) -> int:
    """Segments; returns the exit code.

    Args:
        given: Values of the command's options by name.

    Raises:
        ClientError: Nothing could be started.
    """
    options = Options(
        crop=parse_crop(given["crop"]),
        fast=given["fast"],
        ct=given["ct"],
        keep_geometry=given["keepgeom"],
    )
    settings = BatchSettings(
        options=options,
        jobs=given["jobs"],
        requests=given["requests"],
        resume=given["resume"],
        sidecar=given["sidecar"],
        tables=given["tables"],
    )
    plan = plan_batch(
        given["scans"],
        given["output"],
        posteriors=given["post"],
        resampled=given["resample"],
        volumes=given["vol"],
        beside_scans=given["beside_scans"],
        beside=settings.beside(),
    )
    plan, made = with_folders(plan)
    settings = replace(settings, journal=_journal_of(plan, given["resume"]))
    total = len(plan.tasks) + len(plan.refused)
    report = Reporter(
        total, as_json=given["as_json"], quiet=given["quiet"], verbose=given["verbose"]
    )
    try:
        with report:
            for refusal in plan.refused:
                report.add(Outcome(refusal.task, "failed", error=refusal.reason))
            if plan.tasks:
                with connect(given, RetryPolicy(), report.note) as session:
                    for outcome in run_batch(session, plan, settings):
                        report.add(outcome)
    except ClientError:
        for folder in made:  # nothing was started: leave no trace of it
            with suppress(OSError):
                folder.rmdir()
        raise
    return report.exit_code


def run_labels(given: dict[str, Any]) -> int:
    """Prints the label table; returns the exit code."""
    with connect(given) as session:
        model = session.describe()
    columns = ("value", "name", "topology_class", "other_side")
    other_side = model.label_values[model.flip_channels]
    rows = list(
        zip(
            model.label_values.tolist(),
            model.label_names,
            model.topology_classes.tolist(),
            other_side.tolist(),
            strict=True,
        )
    )
    if given["as_json"]:
        say(
            json.dumps(
                {"model": model.title, "labels": [dict(zip(columns, r, strict=True)) for r in rows]}
            )
        )
        return 0
    say("\t".join(columns))
    for row in rows:
        say("\t".join(map(str, row)))
    return 0


def run_status(given: dict[str, Any]) -> int:
    """Prints what the server says about itself; returns 0 if a version is available, else 1."""
    with connect(given) as session:
        versions = session.status()
        facts: dict[str, Any] = {
            "server": session.address.target,
            "health": session.health(),
            "model": session.model.name,
            "versions": {str(number): state for number, state in versions.items()},
            "limits": {
                "size_multiple": SIZE_MULTIPLE,
                "least_size": DEFAULT_MIN_SIZE,
                "timeout_s_for_192_voxels_a_side": round(
                    session.timeout_s or default_timeout_s(DEFAULT_LIMIT**3)
                ),
            },
        }
        available = "AVAILABLE" in versions.values()
        if available:
            model = session.describe()
            if not model.is_brain:
                facts["limits"]["least_size"] = Crop().for_any_anatomy().least
            facts |= {
                "answers_with_version": model.version,
                "labels": model.n_labels,
                **dict(model.info),
            }
            facts["outputs"] = {
                name: shape
                for name, (_, shape) in session.metadata()["serving_default"]["outputs"].items()
            }
    if given["as_json"]:
        say(json.dumps(facts))
    else:
        for name, value in facts.items():
            say(f"{name}: {value if isinstance(value, str | int) else json.dumps(value)}")
    return 0 if available else 1


@contextmanager
def connect(
    given: dict[str, Any], retry: RetryPolicy = AT_ONCE, tell: Callable[[str], None] | None = None
) -> Iterator[Session]:
    """The session that the options ask for.

    Args:
        given: Values of the command's options by name.
        retry: How patiently to ask, where the options do not say.
        tell: Takes lines for the user, such as what is waited for.

    Raises:
        UsageError: The options contradict each other.
        EmbeddedServerError: No server was named, and none can be started here.
    """
    if given["server_wait"] is not None:
        retry = replace(retry, server_wait_s=given["server_wait"])
    if given["server"]:
        if given["threads"] or given["cpu"]:
            raise UsageError(
                "--threads and --cpu are for a server that is started here, not for --server."
            )
        with open_session(
            _address(given),
            model=parse_model(given["model"]),
            timeout_s=given["timeout"],
            retry=retry,
            tell=tell,
        ) as session:
            yield session
        return
    model_dir = Path(given["model"]) if given["model"] else None
    if model_dir is not None and not model_dir.is_dir():
        raise UsageError(
            f"--model {model_dir}: no such folder, expected a folder of versions (no --server)."
        )
    if given["server_wait"] is not None:
        raise UsageError("--server-wait is for a server that was named: add --server.")
    for flag in ("tls", "tls_ca", "tls_cert", "tls_key", "token_file"):
        if given[flag]:
            raise UsageError(
                f"--{flag.replace('_', '-')} is for a server that was named: add --server."
            )
    log = sys.stderr if given.get("verbose") else None
    with open_session(
        model_dir=model_dir,
        threads=given["threads"],
        cpu=given["cpu"],
        timeout_s=given["timeout"],
        retry=retry,
        tell=tell,
        server_log=log,
    ) as session:
        yield session


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


def parse_model(text: str | None) -> ModelChoice:
    """The model that `NAME`, `NAME:VERSION` or `NAME@LABEL` asks for."""
    if not text:
        return ModelChoice()
    name, at, label = text.partition("@")
    version = ""
    if not at:
        name, colon, version = text.partition(":")
        if not colon:
            return ModelChoice(name=name)
    is_version = version.isdecimal() and int(version) <= _LARGEST_VERSION
    if not name or not (label or is_version):
        raise UsageError(f"--model {text}: expected NAME, NAME:VERSION or NAME@LABEL.")
    return (
        ModelChoice(name=name, label=label) if at else ModelChoice(name=name, version=int(version))
    )


def _address(given: dict[str, Any]) -> ServerAddress:
    token = os.environ.get("SYNTHSEG_TOKEN")
    if given["token_file"]:
        try:
            token = given["token_file"].read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{given['token_file']}: cannot be read: {error}.") from error
    if token and not (token.isascii() and token.isprintable()):
        source = given["token_file"] or "SYNTHSEG_TOKEN"
        raise UsageError(f"{source}: holds no token, expected one line of ASCII characters.")
    encrypted = (
        given["tls"]
        or given["tls_ca"]
        or given["tls_cert"]
        or given["server"].startswith("grpcs://")
    )
    tls = (
        Tls(root=given["tls_ca"], certificate=given["tls_cert"], key=given["tls_key"])
        if encrypted
        else None
    )
    return ServerAddress(target=given["server"], tls=tls, token=token)


def _journal_of(plan: BatchPlan, resume: bool) -> Path | None:
    """Where to record finished scans; a single scan is recorded only with `--resume`."""
    if plan.single and not resume:
        return None
    return plan.folder / JOURNAL_NAME
