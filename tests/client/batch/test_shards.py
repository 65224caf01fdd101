from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_client.batch.plan import plan_batch
from synthseg_client.batch.shards import Shard, key_of, roots_of, shard_of
from synthseg_client.errors import UsageError

NAMES = [f"sub-{n:03}.nii.gz" for n in range(200)]


def dataset(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def parts_of(folder: Path, count: int) -> dict[str, int]:
    """In which part each scan is; each is in one."""
    found: dict[str, int] = {}
    for number in range(1, count + 1):
        plan = plan_batch([str(folder)], folder.parent / "out", volumes="v.csv")
        part = shard_of(plan, Shard(number, count), [str(folder)])
        assert part.table == Path(f"v_{number}-of-{count}.csv")
        for task in part.tasks:
            assert found.setdefault(task.scan.name, number) == number
    return found


def test_parts_are_all_of_a_dataset_and_stay_when_files_are_added_or_it_is_mounted_elsewhere(
    tmp_path: Path,
) -> None:
    few = parts_of(dataset(tmp_path / "one/scans", NAMES[::2]), 4)
    all_of_them = parts_of(dataset(tmp_path / "two/scans", NAMES), 4)
    assert all_of_them.keys() == set(NAMES)
    assert few.items() <= all_of_them.items()
    sizes = [[*all_of_them.values()].count(number) for number in (1, 2, 3, 4)]
    assert min(sizes) > 30
    # Of another version of this package, too: the rule is in the documentation.
    assert [few[name] for name in NAMES[:10:2]] == [all_of_them[name] for name in NAMES[:10:2]]
    assert [n for n in range(1, 5) if Shard(n, 4).has("sub-000.nii.gz")] == [
        all_of_them["sub-000.nii.gz"]
    ]


def test_a_scan_is_known_by_its_path_below_what_named_it(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "scans/a", ["s.nii"])
    roots = roots_of([str(tmp_path / "scans"), f"{tmp_path}/scans/**/*.nii", str(folder / "s.nii")])
    assert roots == [tmp_path / "scans"] * 2
    assert key_of(folder / "s.nii", roots) == "a/s.nii"
    assert key_of(Path("t.nii"), roots) == "t.nii"


def test_a_pod_s_index_counts_from_0() -> None:
    environment = {"JOB_COMPLETION_INDEX": "2"}
    assert Shard.of("job/16", environment) == Shard.of("3/16") == Shard(3, 16)
    assert str(Shard(3, 16)) == "3/16"


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "1/0", "job/4", "-1/4"])
def test_parts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--shard {text}"):
        Shard.of(text, {"JOB_COMPLETION_INDEX": "4"})
    with pytest.raises(UsageError, match="JOB_COMPLETION_INDEX holds ''"):
        Shard.of("job/4", {})
