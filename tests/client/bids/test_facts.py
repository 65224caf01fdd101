from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from synthseg_client.bids.facts import BidsFacts
from synthseg_client.bids.layout import Derivatives, task_of
from synthseg_client.bids.names import parse_name
from synthseg_client.bids.walk import FoundScan
from synthseg_client.calls.session import Session
from synthseg_client.inputs.scans import read_scan
from synthseg_client.options import Options
from synthseg_client.segmentation.one_scan import segment_scan
from typed import there


def test_each_image_tells_where_it_lies_and_what_it_is_of(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    path = save_scan(tmp_path / "sub-01_T1w.nii.gz")
    result = segment_scan(read_scan(path), session, Options(keep_geometry=True))
    made = Derivatives(probabilities=True, resampled=True)
    found = FoundScan(path, there(parse_name(path.name)))
    task = task_of(found, tmp_path, tmp_path / "out", made)
    facts = {image: BidsFacts(tmp_path)(task, image, result) for image in task.images()}
    for told in facts.values():
        assert told["SpatialReference"] == "bids:raw:sub-01_T1w.nii.gz"
        assert told["Sources"] == ["bids:raw:sub-01_T1w.nii.gz"]
    assert "Resolution" not in facts[task.labels]
    assert facts[there(task.labels_at_1_mm)]["Resolution"] == "1 x 1 x 1 mm"
    assert facts[there(task.posteriors)]["LabelMap"] == list(result.model.label_names)
    assert facts[there(task.resampled)]["SkullStripped"] is False
    assert result.labels.shape == result.scan.image.shape
    assert result.labels_at_1_mm().shape == result.resampled.shape
