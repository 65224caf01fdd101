"""What `labels` does once its options are read."""

from __future__ import annotations

import json

from synthseg_client.commands.connection import connect
from synthseg_client.commands.report import say
from synthseg_client.commands.server_options import ServerOptions

_COLUMNS = ("value", "name", "topology_class", "other_side")


def run_labels(server: ServerOptions, *, as_json: bool) -> int:
    """Prints the label table; returns the exit code."""
    with connect(server) as session:
        model = session.describe()
    rows = list(
        zip(
            model.label_values.tolist(),
            model.label_names,
            model.topology_classes.tolist(),
            model.label_values[model.flip_channels].tolist(),
            strict=True,
        )
    )
    if as_json:
        labels = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        say(json.dumps({"model": model.title, "labels": labels}))
        return 0
    say("\t".join(_COLUMNS))
    for row in rows:
        say("\t".join(map(str, row)))
    return 0
