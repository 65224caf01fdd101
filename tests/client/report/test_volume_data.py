from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image
from report_runs import AFFINE, NAMES, labelled_head
from synthseg_client.pictures.display import Display, Volume
from synthseg_client.report.tiles import MULTIPLE_MM
from synthseg_client.report.volume_data import CALL, volume_script


def told_by(name: str, labels: np.ndarray, *, with_scan: bool = True) -> dict[str, Any]:
    image, _ = labelled_head()
    volume = Volume(labels, AFFINE)
    display = Display.around(volume).enlarged(MULTIPLE_MM)
    scan = Volume(image, AFFINE) if with_scan else None
    script = volume_script(name, scan, volume, display, NAMES, (0.0, 100.0))
    assert script is not None
    assert "<" not in script
    return dict(json.loads(script.removeprefix(f"{CALL}(").removesuffix(");\n")))


def voxels(told: dict[str, Any]) -> np.ndarray:
    """A volume from its picture, as viewer.js reads it."""
    file = io.BytesIO(base64.b64decode(told["picture"]))
    picture = np.asarray(Image.open(file).convert("L"))
    nx, ny, nz = told["shape"]
    slices = picture.reshape(-1, ny, told["columns"], nx).transpose(0, 2, 1, 3).reshape(-1, ny, nx)
    return slices[:nz].transpose(2, 1, 0)


def test_labels_and_scan_lie_where_they_did() -> None:
    image, labels = labelled_head()
    told = told_by("sub-01", labels)
    assert [row[0] for row in told["table"]] == list(NAMES.values())
    affine = np.array(told["labels"]["affine"])
    found = voxels(told["labels"])
    for index, value in enumerate(NAMES):
        if value:
            here = (affine @ [*np.argwhere(found == index).mean(axis=0), 1])[:3]
            there = (AFFINE @ [*np.argwhere(labels == value).mean(axis=0), 1])[:3]
            np.testing.assert_allclose(here, there, atol=1.0)
            volume = (found == index).sum() * abs(np.linalg.det(affine))
            expected = (labels == value).sum() * abs(np.linalg.det(AFFINE))
            assert volume == np.float64(expected) or abs(volume / expected - 1) < 0.05
    grey = voxels(told["scan"])
    assert grey.max() > 240
    assert abs(float(np.median(grey[grey > 230])) - 255) < 5
    assert image.max() == 100


def test_a_hostile_name_stays_text() -> None:
    told = told_by('</script><script>alert("x")</script>', labelled_head()[1])
    assert told["name"] == '</script><script>alert("x")</script>'


def test_without_a_scan_labels_are_told_alone() -> None:
    assert "scan" not in told_by("x", labelled_head()[1], with_scan=False)


def test_more_labels_than_grey_values_are_not_told() -> None:
    labels = np.arange(300, dtype=np.int32).reshape(10, 10, 3)
    volume = Volume(labels, np.eye(4))
    display = Display.around(volume).enlarged(MULTIPLE_MM)
    assert volume_script("x", None, volume, display, {}, (0, 1)) is None
