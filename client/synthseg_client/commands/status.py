"""What `status` does once its options are read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from synthseg_common.contract import DEFAULT_MIN_SIZE, SEGMENT_SIGNATURE, SIZE_MULTIPLE
from synthseg_common.processing import DEFAULT_LIMIT

from synthseg_client.calls.deadlines import default_timeout_s
from synthseg_client.calls.session import Session
from synthseg_client.commands.connection import connect
from synthseg_client.commands.report import say
from synthseg_client.commands.server_options import ServerOptions
from synthseg_client.options import Crop

_AVAILABLE = "AVAILABLE"


def run_status(server: ServerOptions, *, as_json: bool) -> int:
    """Prints what the server says about itself; returns 0 if a version is available, else 1."""
    with connect(server) as session:
        versions = session.status()
        facts: dict[str, object] = {
            "server": session.address.target,
            "health": session.health(),
            "model": session.model.name,
            "versions": {str(number): state for number, state in versions.items()},
            "limits": _limits(session, DEFAULT_MIN_SIZE),
        }
        available = _AVAILABLE in versions.values()
        if available:
            facts |= _of_model(session)
    _print(facts, as_json=as_json)
    return 0 if available else 1


def _limits(session: Session, least_size: int) -> dict[str, int]:
    timeout_s = session.timeout_s or default_timeout_s(DEFAULT_LIMIT**3)
    return {
        "size_multiple": SIZE_MULTIPLE,
        "least_size": least_size,
        "timeout_s_for_192_voxels_a_side": round(timeout_s),
    }


def _of_model(session: Session) -> dict[str, object]:
    """What the version that answers says about itself."""
    model = session.describe()
    facts: dict[str, object] = {
        "answers_with_version": model.version,
        "labels": model.n_labels,
        **model.info,
    }
    if not model.is_brain:
        facts["limits"] = _limits(session, Crop().for_any_anatomy().least)
    outputs = session.metadata()[SEGMENT_SIGNATURE]["outputs"]
    return facts | {"outputs": {name: shape for name, (_, shape) in outputs.items()}}


def _print(facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(facts))
        return
    for name, value in facts.items():
        say(f"{name}: {value if isinstance(value, str | int) else json.dumps(value)}")
