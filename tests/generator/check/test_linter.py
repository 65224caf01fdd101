"""What the linter of label maps finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from generator_fixtures import MakeHead, WriteMap
from numpy.typing import NDArray
from synthseg_generator.check.findings import Finding
from synthseg_generator.check.linter import Severity, check
from synthseg_generator.errors import StoreError
from synthseg_generator.label_table import read_label_table
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import open_store

FindingsOf = Callable[..., list[Finding]]

# Labels of the head that `make_head` builds, so that nothing is missing by construction.
TABLE = """
values: [0, 16, 24, 516, 2, 3, 4, 7, 8, 10, 12, 17, 41, 42, 43, 46, 47, 49, 51, 53]
n_neutral: 4
targets: [0, 16, 24, 0, 2, 3, 4, 7, 8, 10, 12, 17, 41, 42, 43, 46, 47, 49, 51, 53]
"""


def said(findings: Iterable[Finding]) -> list[tuple[Severity, tuple[str, ...], str]]:
    return [(f.severity, f.maps, f.problem) for f in findings]


def test_good_heads_have_no_findings(
    findings_of: FindingsOf, head: NDArray[np.int32], make_head: MakeHead
) -> None:
    assert findings_of(good=head, other=make_head((50, 54, 52), size=0.95)) == []


def test_a_label_that_no_map_holds_is_an_error(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    head[head == 16] = 24
    ((severity, maps, problem),) = said(findings_of(one=head, two=head))
    assert (severity, maps) == (Severity.ERROR, ())
    assert "16 (brain-stem) is in no map" in problem


def test_a_label_that_one_map_lacks_is_a_warning(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    lacking = np.where(head == 16, 24, head)
    ((severity, maps, problem),) = said(findings_of(one=head, two=lacking))
    assert (severity, maps) == (Severity.WARNING, ("two",))
    assert "16 (brain-stem) is absent" in problem


def test_one_side_without_the_other_is_an_error(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    lone = np.where(head == 53, 41, head)
    findings = said(findings_of(one=head, two=lone))
    assert (Severity.ERROR, ("two",)) in [f[:2] for f in findings]
    assert any("17 (left hippocampus) is present, its pair 53" in f[2] for f in findings)


def test_a_map_without_structures_is_an_error(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    findings = said(findings_of(good=head, empty=np.zeros_like(head)))
    assert findings[0][0] is Severity.ERROR
    assert any(f[1] == ("empty",) and "no structure" in f[2] for f in findings)


def test_voxels_that_are_no_cubes_are_an_error(tmp_path: Path, head: NDArray[np.int32]) -> None:
    import nibabel as nib

    (tmp_path / "maps").mkdir()
    nib.save(nib.Nifti1Image(head, np.diag([1, 1, 3, 1.0])), tmp_path / "maps" / "thick.nii")
    (tmp_path / "table.yaml").write_text(TABLE)
    ingest(tmp_path / "maps", tmp_path / "s.zarr", read_label_table(tmp_path / "table.yaml"))
    findings = check(open_store(tmp_path / "s.zarr"))
    assert any("voxels of 1 x 1 x 3 mm" in f.problem for f in findings)


def test_all_maps_whose_data_is_lost_are_told_at_once(
    tmp_path: Path, head: NDArray[np.int32], write_map: WriteMap
) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "table.yaml").write_text(TABLE)
    for name in ("one", "two", "three"):
        write_map(tmp_path / "maps" / f"{name}.nii", head)
    ingest(tmp_path / "maps", tmp_path / "s.zarr", read_label_table(tmp_path / "table.yaml"))
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / "s.zarr" / name / "c")
    with pytest.raises(StoreError) as caught:
        check(open_store(tmp_path / "s.zarr"))
    title, *lines = str(caught.value).splitlines()
    assert title.startswith("2 problems with the label maps of ")
    assert [line.split("the data of map ")[1] for line in lines] == [
        "one is missing.",
        "two is missing.",
    ]


def test_the_official_maps_are_sound(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    name = "training_seg_02.nii.gz"
    (folder / name).symlink_to(shared_data / "label_maps" / name)
    ingest(folder, tmp_path / "store.zarr", read_label_table("v2"))
    findings = check(open_store(tmp_path / "store.zarr"))
    assert [f for f in findings if f.severity is Severity.ERROR] == []


def test_other_anatomies_have_their_own_names_and_no_head(
    tmp_path: Path, write_map: WriteMap
) -> None:
    # Released values, by which a brain would be upside down.
    (tmp_path / "table.yaml").write_text(
        "{values: [0, 2, 8], n_neutral: 3, names: {2: liver, 8: bladder}, anatomy: abdomen}"
    )
    labels = np.zeros((8, 8, 16), np.int16)
    labels[:, :, 2:6], labels[0, 0, 12] = 2, 8
    folder = tmp_path / "maps"
    folder.mkdir()
    write_map(folder / "one.nii.gz", labels)
    ingest(folder, tmp_path / "store.zarr", read_label_table(tmp_path / "table.yaml"))
    ((severity, maps, problem),) = said(check(open_store(tmp_path / "store.zarr")))
    assert (severity, maps) == (Severity.WARNING, ("one",))
    assert "8 (bladder) has only 1 mm³" in problem
