"""What the linter of label maps finds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthseg_generator.check.linter import Severity, check
from synthseg_generator.errors import StoreError
from synthseg_generator.label_table import read_label_table
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_store import open_store

# Labels of the head that `make_head` builds, so that nothing is missing by construction.
TABLE = """
values: [0, 16, 24, 516, 2, 3, 4, 7, 8, 10, 12, 17, 41, 42, 43, 46, 47, 49, 51, 53]
n_neutral: 4
targets: [0, 16, 24, 0, 2, 3, 4, 7, 8, 10, 12, 17, 41, 42, 43, 46, 47, 49, 51, 53]
"""


@pytest.fixture
def findings_of(tmp_path: Path, write_map: Callable[..., Path]):
    """A function that stores label maps and returns what the linter says about them."""

    def find(**maps):
        folder = tmp_path / "maps"
        folder.mkdir()
        (tmp_path / "table.yaml").write_text(TABLE)
        for name, labels in maps.items():
            write_map(folder / f"{name}.nii.gz", labels)
        ingest(folder, tmp_path / "store.zarr", read_label_table(tmp_path / "table.yaml"))
        return check(open_store(tmp_path / "store.zarr"), min_volume_mm3=5)

    return find


@pytest.fixture
def head(make_head: Callable[..., np.ndarray]):
    return make_head((48, 56, 52))


def said(findings):
    return [(f.severity, f.maps, f.problem) for f in findings]


def test_good_heads_have_no_findings(
    findings_of, head, make_head: Callable[..., np.ndarray]
) -> None:
    assert findings_of(good=head, other=make_head((50, 54, 52), size=0.95)) == []


def test_a_label_that_no_map_holds_is_an_error(findings_of, head) -> None:
    head[head == 16] = 24
    ((severity, maps, problem),) = said(findings_of(one=head, two=head))
    assert (severity, maps) == (Severity.ERROR, ())
    assert "16 (brain-stem) is in no map" in problem


def test_a_label_that_one_map_lacks_is_a_warning(findings_of, head) -> None:
    lacking = np.where(head == 16, 24, head)
    ((severity, maps, problem),) = said(findings_of(one=head, two=lacking))
    assert (severity, maps) == (Severity.WARNING, ("two",))
    assert "16 (brain-stem) is absent" in problem


def test_one_side_without_the_other_is_an_error(findings_of, head) -> None:
    lone = np.where(head == 53, 41, head)
    findings = said(findings_of(one=head, two=lone))
    assert (Severity.ERROR, ("two",)) in [f[:2] for f in findings]
    assert any("17 (left hippocampus) is there, its pair 53" in f[2] for f in findings)


def test_a_mirrored_map_is_blamed_as_a_whole(findings_of, head) -> None:
    ((severity, maps, problem),) = said(findings_of(good=head, mirrored=head[::-1]))
    assert (severity, maps) == (Severity.ERROR, ("mirrored",))
    assert "left labels lie on the right" in problem


def test_one_exchanged_pair_is_blamed_alone(findings_of, head) -> None:
    swapped = head.copy()
    swapped[head == 12], swapped[head == 51] = 51, 12
    ((severity, maps, problem),) = said(findings_of(good=head, swapped=swapped))
    assert (severity, maps) == (Severity.ERROR, ("swapped",))
    assert "12 (left putamen) lies to the right of its pair 51" in problem


@pytest.mark.parametrize(("axis", "how"), [(2, "upside down"), (1, "back to front")])
def test_an_orientation_that_disagrees_with_the_labels_is_an_error(
    findings_of, head, axis: int, how: str
) -> None:
    findings = said(findings_of(good=head, turned=np.flip(head, axis)))
    assert (Severity.ERROR, ("turned",)) in [f[:2] for f in findings]
    assert any(how in f[2] for f in findings)


def test_exchanged_axes_are_an_error(findings_of, head) -> None:
    findings = said(findings_of(good=head, lying=np.swapaxes(head, 1, 2)))
    assert [f[:2] for f in findings] == [(Severity.ERROR, ("lying",))]
    assert "axes are exchanged" in findings[0][2]


def test_a_part_on_the_other_side_is_an_error(findings_of, head) -> None:
    astray = head.copy()
    right = np.argwhere(head == 42)
    for place in right[right[:, 0] > 36][:400]:  # beyond the middle of the right cortex
        astray[tuple(place)] = 3
    ((severity, maps, problem),) = said(findings_of(good=head, mixed=astray))
    assert (severity, maps) == (Severity.ERROR, ("mixed",))
    assert "of label 3 (left cerebral cortex) lies on the other side" in problem


def test_a_few_stray_voxels_are_a_warning(findings_of, head) -> None:
    stray = np.where(head == 16, 24, head)
    stray[np.unravel_index(np.flatnonzero(head == 16)[:3], head.shape)] = 16
    ((severity, maps, problem),) = said(findings_of(good=head, stray=stray))
    assert (severity, maps) == (Severity.WARNING, ("stray",))
    assert "only 3 mm³" in problem


def test_a_map_without_structures_is_an_error(findings_of, head) -> None:
    findings = said(findings_of(good=head, empty=np.zeros_like(head)))
    assert findings[0][0] is Severity.ERROR
    assert any(f[1] == ("empty",) and "no structure" in f[2] for f in findings)


def test_voxels_that_are_no_cubes_are_an_error(tmp_path: Path, head) -> None:
    import nibabel as nib

    (tmp_path / "maps").mkdir()
    nib.save(nib.Nifti1Image(head, np.diag([1, 1, 3, 1.0])), tmp_path / "maps" / "thick.nii")
    (tmp_path / "table.yaml").write_text(TABLE)
    ingest(tmp_path / "maps", tmp_path / "s.zarr", read_label_table(tmp_path / "table.yaml"))
    findings = check(open_store(tmp_path / "s.zarr"))
    assert any("voxels of 1 x 1 x 3 mm" in f.problem for f in findings)


def test_all_maps_whose_data_is_lost_are_told_at_once(
    tmp_path: Path, head, write_map: Callable[..., Path]
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
    tmp_path: Path, write_map: Callable[..., Path]
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
