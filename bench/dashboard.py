"""Draws the panels of the Grafana dashboard from a running Prometheus, without Grafana.

    python bench/dashboard.py http://localhost:9090 dashboard.png --minutes 30

It reads `k8s/base/monitoring/dashboard.json`, asks the very queries of its panels, and draws them
with matplotlib: what they show is Prometheus' answer, how they look is not Grafana's.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).resolve().parents[1] / "k8s/base/monitoring/dashboard.json"
VARIABLES = {"$namespace": ".*", "$job": ".*", "$__rate_interval": "1m"}
_POINTS = 240
_MOST_LINES = 8
_SCALES = {"bytes": (2**30, " GiB"), "percentunit": (0.01, " %"), "s": (1, " s")}


def queries(panel: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Query and legend of each target of a panel, variables filled in."""
    found = []
    for target in panel.get("targets", ()):
        query = target["expr"]
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        found.append((query, target["legendFormat"]))
    return found


def ask(prometheus: str, path: str, **parameters: object) -> list[dict[str, Any]]:
    """The result of a query of Prometheus' HTTP API."""
    words = urllib.parse.urlencode(parameters)
    url = f"{prometheus}/api/v1/{path}?{words}"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # the user names it
        result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return result


def legend(form: str, labels: Mapping[str, str]) -> str:
    """A legend as Grafana fills it in."""
    for name, value in labels.items():
        form = form.replace("{{" + name + "}}", value)
    return form


def draw_lines(
    axes: Any, panel: Mapping[str, Any], prometheus: str, span_s: Sequence[float]
) -> None:
    """Draws a panel over time."""
    begin, end = span_s
    scale, _ = _SCALES.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))
    step = max((end - begin) / _POINTS, 1)
    lines = 0
    for query, form in queries(panel):
        series = ask(prometheus, "query_range", query=query, start=begin, end=end, step=step)
        for one in series[:_MOST_LINES]:
            known = {round((float(t) - begin) / step): float(v) for t, v in one["values"]}
            times = [datetime.fromtimestamp(begin + n * step, UTC) for n in range(_POINTS + 1)]
            values = [known.get(n, float("nan")) / scale for n in range(_POINTS + 1)]
            axes.plot(times, values, linewidth=1, label=legend(form, one["metric"]))
            lines += 1
    if lines:
        axes.legend(fontsize=5, loc="upper left", frameon=False)
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="grey")
    axes.set_xlim(datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=5)


def draw_number(axes: Any, panel: Mapping[str, Any], prometheus: str, at_s: float) -> None:
    """Draws a panel of one number."""
    ((query, _),) = queries(panel)
    found = ask(prometheus, "query", query=query, time=at_s)
    scale, unit = _SCALES.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))
    text = f"{float(found[0]['value'][1]) / scale:.3g}{unit}" if found else "no data"
    axes.text(0.5, 0.45, text, ha="center", va="center", fontsize=14, transform=axes.transAxes)
    axes.set_axis_off()


def draw(prometheus: str, picture: Path, span_s: Sequence[float]) -> None:
    """Draws the whole dashboard into a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import dates, pyplot

    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    rows = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
    figure = pyplot.figure(figsize=(12, 0.3 * rows), dpi=80)
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        top = 1 - place["y"] / rows
        if panel["type"] == "row":
            figure.text(0.01, top - 0.5 / rows, panel["title"], fontsize=9, weight="bold")
            continue
        left, width = place["x"] / 24 + 0.025, place["w"] / 24 - 0.035
        bottom = top - (place["h"] - 0.7) / rows
        axes = figure.add_axes((left, bottom, width, (place["h"] - 2) / rows))
        axes.set_title(panel["title"], fontsize=6.5, loc="left")
        if panel["type"] == "stat":
            draw_number(axes, panel, prometheus, span_s[1])
        else:
            draw_lines(axes, panel, prometheus, span_s)
            axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
            axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=6))
    figure.savefig(picture)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prometheus", help="its address, http://host:port")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--until", type=float, help="seconds since 1970; by default now")
    options = parser.parse_args()
    end = options.until or time.time()
    draw(options.prometheus.rstrip("/"), options.picture, (end - 60 * options.minutes, end))


if __name__ == "__main__":
    main()
