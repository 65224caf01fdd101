from __future__ import annotations

import sys

import numpy as np
import pytest
from report_runs import AFFINE, NAMES, labelled_head
from synthseg_client import Options, UsageError, segment
from synthseg_client.calls.session import Session
from synthseg_client.model import LabelTable
from synthseg_client.pictures.display import Volume
from synthseg_client.pictures.figure import draw_figure

TABLE = LabelTable(tuple(NAMES), tuple(NAMES.values()))


def test_a_result_is_drawn_with_the_names_of_what_was_found(session: Session) -> None:
    image, _ = labelled_head()
    figure = segment(image, session, Options(), affine=AFFINE).plot(slices=2)
    assert len(figure.axes) == 6
    (legend,) = figure.legends
    names = {text.get_text() for text in legend.get_texts()}
    assert names == {"left white matter", "csf", "right white matter"}
    figure.canvas.draw()


def test_contours_lie_over_each_slice() -> None:
    image, labels = labelled_head()
    figure = draw_figure(Volume(image, AFFINE), Volume(labels, AFFINE), TABLE, 1)
    for panel in figure.axes:
        grey, contours = (np.asarray(shown.get_array()) for shown in panel.images)
        assert grey.shape == contours.shape[:2]
        assert contours[..., 3].any()


def test_no_slices_are_refused() -> None:
    image, labels = labelled_head()
    with pytest.raises(UsageError, match="slices=0"):
        draw_figure(Volume(image, AFFINE), Volume(labels, AFFINE), TABLE, 0)


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    image, labels = labelled_head()
    with pytest.raises(UsageError, match=r"pip install 'synthseg-serving\[report\]'"):
        draw_figure(Volume(image, AFFINE), Volume(labels, AFFINE), TABLE, 1)
