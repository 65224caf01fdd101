"""From a folder of label maps to a store."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import zarr
from generator_fixtures import MakeHead, Scheduler, WriteMap
from synthseg_generator.errors import LabelError, SchedulerError, StoreError
from synthseg_generator.label_table import LABEL_TABLES, LabelTable
from synthseg_generator.store import ingest as ingest_module
from synthseg_generator.store.ingest import ingest
from synthseg_generator.store.label_map_files import Source
from synthseg_generator.store.label_store import LabelStore, open_store
from synthseg_generator.store.writing import open_member, read_finished_maps

TABLE = LABEL_TABLES["v2"]


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path: Path, head_folder: Path) -> Path:
    return shutil.copytree(head_folder, tmp_path / "maps")


def test_every_map_is_one_chunk_of_ids_with_its_geometry(
    store_path: Path, make_head: MakeHead
) -> None:
    store = open_store(store_path)
    assert store.names == ("alice", "bob", "carol")
    assert store.shapes == ((40, 44, 42), (40, 44, 42), (44, 40, 38))
    assert store.voxel_size_mm == (1.0, 1.0, 1.0)
    head = make_head((40, 44, 42))
    np.testing.assert_array_equal(np.array(store.labels.values)[store.load("alice")], head)
    assert store.source("carol") == "carol.mgz"
    array = open_member(zarr.open_group(store_path, mode="r"), "carol")
    assert array.chunks == array.shape
    assert array.shards is None
    assert array.dtype == np.uint8
    assert len(str(array.attrs["sha256"])) == 64


def test_several_workers_write_the_same_bytes(
    tmp_path: Path, folder: Path, store_path: Path, cluster: Any
) -> None:
    address = cluster.scheduler.address
    report = ingest(folder, tmp_path / "parallel.zarr", TABLE, scheduler=address)
    assert report.written == ("alice", "bob", "carol")
    assert tree(tmp_path / "parallel.zarr") == tree(store_path)


def test_a_second_run_reads_no_map_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(folder, tmp_path / "store.zarr", TABLE)
    monkeypatch.setattr(ingest_module, "_convert", lambda *_: pytest.fail("converted again"))
    report = ingest(folder, tmp_path / "store.zarr", TABLE)
    assert (report.written, report.kept) == ((), ("alice", "bob", "carol"))


def test_new_maps_are_added_to_a_store(
    tmp_path: Path,
    folder: Path,
    make_head: MakeHead,
    write_map: WriteMap,
) -> None:
    ingest(folder, tmp_path / "store.zarr", TABLE)
    before = open_store(tmp_path / "store.zarr")
    write_map(folder / "ann.nii.gz", make_head((20, 20, 20)))
    report = ingest(folder, tmp_path / "store.zarr", TABLE)
    after = open_store(tmp_path / "store.zarr")
    assert report.written == ("ann",)
    assert after.names == ("alice", "ann", "bob", "carol")
    assert after.fingerprint != before.fingerprint


def test_a_map_whose_content_changed_is_refused(
    tmp_path: Path,
    folder: Path,
    make_head: MakeHead,
    write_map: WriteMap,
) -> None:
    ingest(folder, tmp_path / "store.zarr", TABLE)
    write_map(folder / "bob.nii", make_head((20, 20, 20)))
    with pytest.raises(StoreError, match=r"bob\.nii differs from the map bob"):
        ingest(folder, tmp_path / "store.zarr", TABLE)


def test_an_interrupted_ingest_is_resumed(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, store_path: Path
) -> None:
    convert = ingest_module._convert

    def fail_at_bob(place: str, table: LabelTable, source: Source) -> None:
        if source.name == "bob":
            raise KeyboardInterrupt
        convert(place, table, source)

    monkeypatch.setattr(ingest_module, "_convert", fail_at_bob)
    with pytest.raises(KeyboardInterrupt):
        ingest(folder, tmp_path / "store.zarr", TABLE)
    assert not (tmp_path / "store.zarr").exists()

    converted = []

    def note(place: str, table: LabelTable, source: Source) -> None:
        converted.append(source.name)
        convert(place, table, source)

    monkeypatch.setattr(ingest_module, "_convert", note)
    ingest(folder, tmp_path / "store.zarr", TABLE)
    assert converted == ["bob", "carol"]
    assert tree(tmp_path / "store.zarr") == tree(store_path)
    assert not (tmp_path / ".store.zarr.partial").exists()


def test_what_is_converted_when_a_scheduler_is_lost_is_kept(
    tmp_path: Path, folder: Path, scheduler: Scheduler
) -> None:
    for number in range(40):
        shutil.copy(folder / "bob.nii", folder / f"bob_{number}.nii")
    process, address = scheduler

    def lose(done: int, total: int) -> None:
        if done == 2:
            process.kill()
            process.wait()

    with pytest.raises(SchedulerError, match="the same command"):
        ingest(folder, tmp_path / "store.zarr", TABLE, scheduler=address, progress=lose)
    assert len(read_finished_maps(str(tmp_path / ".store.zarr.partial"))) >= 2
    ingest(folder, tmp_path / "store.zarr", TABLE)
    assert len(open_store(tmp_path / "store.zarr")) == 43


def test_where_no_map_is_sound_nothing_stays_behind(tmp_path: Path, write_map: WriteMap) -> None:
    (tmp_path / "maps").mkdir()
    write_map(tmp_path / "maps" / "zoe.nii", np.full((8, 8, 8), 999, np.int32))
    with pytest.raises(LabelError, match=r"zoe\.nii holds labels .* 999"):
        ingest(tmp_path / "maps", tmp_path / "store.zarr", TABLE)
    assert [p.name for p in tmp_path.iterdir()] == ["maps"]


def test_maps_beside_a_refused_one_are_kept_for_the_next_run(
    tmp_path: Path, folder: Path, write_map: WriteMap
) -> None:
    odd = write_map(folder / "zoe.nii", np.full((8, 8, 8), 999, np.int32))
    with pytest.raises(LabelError, match=r"zoe\.nii holds labels .* 999.*\nThe 3 maps .* kept"):
        ingest(folder, tmp_path / "store.zarr", TABLE)
    assert not (tmp_path / "store.zarr").exists()
    assert len(read_finished_maps(str(tmp_path / ".store.zarr.partial"))) == 3
    odd.unlink()
    done = []
    ingest(folder, tmp_path / "store.zarr", TABLE, progress=lambda *counts: done.append(counts))
    assert done == []  # none was left to do
    assert open_store(tmp_path / "store.zarr").names == ("alice", "bob", "carol")
    assert not (tmp_path / ".store.zarr.partial").exists()


def lines_of(folder: Path, destination: Path) -> list[str]:
    """What an ingest that is refused says, line by line."""
    with pytest.raises(LabelError) as caught:
        ingest(folder, destination, TABLE)
    return str(caught.value).splitlines()


@pytest.fixture
def odd_folder(folder: Path, write_map: WriteMap, make_head: MakeHead) -> Path:
    """The three heads, and beside them a map for each way to be wrong."""
    head = make_head((20, 20, 20))
    write_map(folder / "a_coarse.nii", head, voxel_mm=3.0)
    write_map(folder / "unknown.nii", np.full((8, 8, 8), 999, np.int32))
    write_map(folder / "halves.nii.gz", np.full((8, 8, 8), 2.5, np.float32))
    write_map(folder / "alice.mgz", head)
    nib.save(nib.Nifti1Image(np.stack([head, head], -1), np.eye(4)), folder / "z_4d.nii.gz")
    (folder / "text.nii.gz").write_text("hello")
    cut = write_map(folder / "cut.nii", head)
    cut.write_bytes(cut.read_bytes()[:2000])
    return folder


def test_all_that_is_wrong_is_told_at_once_and_nothing_written(
    tmp_path: Path, odd_folder: Path
) -> None:
    title, *lines = lines_of(odd_folder, tmp_path / "store.zarr")
    assert title == f"7 problems with the label maps in {odd_folder}:"
    told = {
        "a_coarse.nii": "voxels of 3 x 3 x 3 mm, expected 1 x 1 x 1 mm as in alice.* and 5 more",
        "unknown.nii": "999",
        "halves.nii.gz": "2.5",
        "alice.mgz": "alice.nii.gz would both be alice",
        "z_4d.nii.gz": "three dimensions",
        "text.nii.gz": "is text",
        "cut.nii": "cannot hold them",
    }
    for name, reason in told.items():
        (line,) = (line for line in lines if re.search(rf"{odd_folder}/{name}[ :]", line))
        assert re.search(reason, line)
    assert not any(f"{odd_folder}/{name}" in line for name in ("bob", "carol") for line in lines)
    assert {p.name for p in tmp_path.iterdir()} == {"maps"}


def test_several_workers_tell_what_is_wrong_as_one_does(
    tmp_path: Path, odd_folder: Path, cluster: Any
) -> None:
    alone = lines_of(odd_folder, tmp_path / "store.zarr")
    with pytest.raises(LabelError) as caught:
        ingest(odd_folder, tmp_path / "s.zarr", TABLE, scheduler=cluster.scheduler.address)
    assert str(caught.value).splitlines() == alone


def test_contents_that_are_wrong_are_told_at_once(
    tmp_path: Path, folder: Path, write_map: WriteMap
) -> None:
    for number in range(3):
        write_map(folder / f"odd_{number}.nii", np.full((8, 8, 8), 900 + number, np.int32))
    title, *lines, hint = lines_of(folder, tmp_path / "store.zarr")
    assert title.startswith("3 problems")
    assert all(f" {900 + i}. " in line for i, line in enumerate(lines))
    assert hint.startswith("The 3 maps that are sound are kept")


def test_of_hundreds_of_wrong_maps_twenty_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number}.nii").write_text("hello")
    lines = lines_of(folder, tmp_path / "store.zarr")
    assert len(lines) == 22
    assert lines[0].startswith("300 problems")
    assert lines[-1].strip() == "and 280 more."


def test_of_two_maps_neither_is_blamed_for_its_voxel_size(
    tmp_path: Path, make_head: MakeHead, write_map: WriteMap
) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    write_map(folder / "a.nii", make_head((8, 8, 8)), voxel_mm=2.0)
    write_map(folder / "b.nii", make_head((8, 8, 8)))
    (line,) = lines_of(folder, tmp_path / "store.zarr")
    assert "2 x 2 x 2 mm in a.nii; 1 x 1 x 1 mm in b.nii." in line
    assert "expected" not in line


def test_beside_maps_of_a_store_its_voxel_size_is_expected(
    tmp_path: Path,
    folder: Path,
    make_head: MakeHead,
    write_map: WriteMap,
) -> None:
    ingest(folder, tmp_path / "store.zarr", TABLE)
    for number in range(4):
        write_map(folder / f"coarse_{number}.nii", make_head((8, 8, 8)), voxel_mm=2.0)
    write_map(folder / "bob.nii", make_head((20, 20, 20)))
    title, *lines = lines_of(folder, tmp_path / "store.zarr")
    assert title.startswith("5 problems")
    assert sum("expected 1 x 1 x 1 mm" in line for line in lines) == 4
    assert sum("bob.nii differs from the map bob" in line for line in lines) == 1


def test_a_refused_map_leaves_a_store_as_it_was(
    tmp_path: Path, folder: Path, write_map: WriteMap
) -> None:
    ingest(folder, tmp_path / "store.zarr", TABLE)
    before = open_store(tmp_path / "store.zarr")
    write_map(folder / "zoe.nii", np.full((8, 8, 8), 999, np.int32))
    with pytest.raises(LabelError, match=r"zoe\.nii"):
        ingest(folder, tmp_path / "store.zarr", TABLE)
    assert open_store(tmp_path / "store.zarr") == before


def test_mixed_voxel_sizes_are_refused(
    tmp_path: Path,
    folder: Path,
    make_head: MakeHead,
    write_map: WriteMap,
) -> None:
    write_map(folder / "coarse.nii", make_head((20, 20, 20)), voxel_mm=2.0)
    with pytest.raises(LabelError, match=r"coarse\.nii has voxels of 2 x 2 x 2 mm.*alice"):
        ingest(folder, tmp_path / "store.zarr", TABLE)


def test_two_files_of_one_name_are_refused(
    tmp_path: Path,
    folder: Path,
    make_head: MakeHead,
    write_map: WriteMap,
) -> None:
    write_map(folder / "alice.mgz", make_head((20, 20, 20)))
    with pytest.raises(LabelError, match="would both be alice"):
        ingest(folder, tmp_path / "store.zarr", TABLE)


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_maps_is_refused(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "empty").mkdir()
    with pytest.raises(LabelError, match=r"empty (holds no label map|is no folder)"):
        ingest(tmp_path / "empty", tmp_path / "store.zarr", TABLE)
    assert not (tmp_path / "store.zarr").exists()


def test_another_label_table_is_refused(tmp_path: Path, folder: Path) -> None:
    ingest(folder, tmp_path / "store.zarr", TABLE)
    with pytest.raises(StoreError, match="another label table"):
        ingest(folder, tmp_path / "store.zarr", LABEL_TABLES["v1"])


def test_a_place_that_holds_something_else_is_left_alone(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "store.zarr").mkdir()
    (tmp_path / "store.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="is no label store"):
        ingest(folder, tmp_path / "store.zarr", TABLE)
    assert (tmp_path / "store.zarr" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("scheme", ["memory", "file", "local"])
def test_a_store_may_lie_at_any_fsspec_url(
    tmp_path: Path, folder: Path, store: LabelStore, scheme: str
) -> None:
    url = f"{scheme}://{tmp_path}/remote.zarr"
    ingest(folder, url, TABLE)
    remote = open_store(url)
    assert remote.maps == store.maps
    np.testing.assert_array_equal(remote.load("carol"), store.load("carol"))
    assert ingest(folder, url, TABLE).written == ()


def test_an_interrupted_ingest_at_a_url_is_resumed(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, write_map: WriteMap
) -> None:
    url = f"memory://{tmp_path}/remote.zarr"
    odd = write_map(folder / "zoe.nii", np.full((8, 8, 8), 999, np.int32))
    with pytest.raises(LabelError, match=r"zoe\.nii"):
        ingest(folder, url, TABLE)
    with pytest.raises(StoreError, match="no finished label store"):
        open_store(url)
    odd.unlink()
    monkeypatch.setattr(ingest_module, "_convert", lambda *_: pytest.fail("converted again"))
    ingest(folder, url, TABLE)
    assert open_store(url).names == ("alice", "bob", "carol")


def test_an_unknown_protocol_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="gopher"):
        ingest(folder, "gopher://host/store.zarr", TABLE)
