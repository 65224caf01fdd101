"""Plans on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest
import zarr
from equal_samples import assert_same_parameters
from synthseg_generator.errors import ConfigError, StoreError
from synthseg_generator.feed import plan_writing
from synthseg_generator.feed.plan import open_plan
from synthseg_generator.feed.plan_writing import write_plan
from synthseg_generator.feed.samples import SampleSource
from synthseg_generator.settings.generator import Crop, GeneratorSettings, Mixture, Prior
from synthseg_generator.store.label_store import LabelStore
from synthseg_generator.store.writing import open_member

N_SAMPLES = 150  # three blocks, the last one shorter


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_workers_of_an_existing_scheduler_write_the_same_bytes(
    tmp_path: Path, plan_path: Path, source: SampleSource, cluster: Any
) -> None:
    address = cluster.scheduler.address
    write_plan(source, N_SAMPLES, tmp_path / "scheduler.zarr", scheduler=address)
    assert tree(tmp_path / "scheduler.zarr") == tree(plan_path)


def test_an_interrupted_plan_is_resumed(
    tmp_path: Path, plan_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    draw = plan_writing.draw_block

    def draw_and_note(*job: Any) -> int:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(job[-1])
        return draw(*job)

    monkeypatch.setattr(plan_writing, "draw_block", draw_and_note)
    with pytest.raises(KeyboardInterrupt):
        write_plan(source, N_SAMPLES, tmp_path / "plan.zarr")
    assert not (tmp_path / "plan.zarr").exists()
    drawn.clear()
    write_plan(source, N_SAMPLES, tmp_path / "plan.zarr")
    assert drawn == [2]
    assert tree(tmp_path / "plan.zarr") == tree(plan_path)


def test_an_unfinished_plan_of_another_seed_is_not_continued(
    tmp_path: Path,
    source: SampleSource,
    store: LabelStore,
    small_settings: GeneratorSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(plan_writing, "draw_block", stop)
        with pytest.raises(KeyboardInterrupt):
            write_plan(source, N_SAMPLES, tmp_path / "plan.zarr")
    other = SampleSource(store, small_settings, seed=6)
    plan = write_plan(other, N_SAMPLES, tmp_path / "plan.zarr")
    assert_same_parameters(other.parameters(7), plan.parameters(7))


def test_a_finished_plan_is_left_as_it_is(
    plan_path: Path, source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_writing, "draw_block", lambda *_: pytest.fail("drawn again"))
    before = tree(plan_path)
    write_plan(source, N_SAMPLES, plan_path)
    assert tree(plan_path) == before


def test_a_plan_drawn_by_another_numpy_stays_the_truth(
    tmp_path: Path, source: SampleSource, store: LabelStore
) -> None:
    write_plan(source, 3, tmp_path / "plan.zarr")
    group = zarr.open_group(tmp_path / "plan.zarr", mode="r+")
    group.attrs.update({"versions": {"numpy": "1.0"}})
    open_member(group, "gamma")[0] = 7.0
    assert write_plan(source, 3, tmp_path / "plan.zarr").parameters(0).gamma == 7.0


@pytest.mark.parametrize("difference", ["seed", "n_samples", "settings"])
def test_another_plan_is_never_overwritten(
    plan_path: Path, store: LabelStore, small_settings: GeneratorSettings, difference: str
) -> None:
    settings = GeneratorSettings(crop=Crop(shape=(8, 8, 8)))
    source = SampleSource(
        store,
        settings if difference == "settings" else small_settings,
        seed=9 if difference == "seed" else 5,
    )
    before = tree(plan_path)
    with pytest.raises(StoreError, match=f"holds a plan with another {difference}"):
        write_plan(source, 3 if difference == "n_samples" else N_SAMPLES, plan_path)
    assert tree(plan_path) == before


def test_settings_that_do_not_fit_leave_nothing_behind(tmp_path: Path, store: LabelStore) -> None:
    two_rows = Prior(rows=((0.0, 1.0), (0.0, 1.0)))
    misfit = GeneratorSettings(mixture=Mixture(means=two_rows))
    with pytest.raises(ConfigError, match=r"prior .*has 2 rows"):
        write_plan(SampleSource(store, misfit, 0), 3, tmp_path / "plan.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_without_samples_is_refused(tmp_path: Path, source: SampleSource) -> None:
    with pytest.raises(ConfigError, match="at least one sample, got 0"):
        write_plan(source, 0, tmp_path / "plan.zarr")


def test_a_place_that_holds_something_else_is_left_alone(
    tmp_path: Path, source: SampleSource
) -> None:
    (tmp_path / "plan.zarr").mkdir()
    (tmp_path / "plan.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="is there and is no plan"):
        write_plan(source, 3, tmp_path / "plan.zarr")
    assert (tmp_path / "plan.zarr" / "thesis.txt").exists()


def test_a_missing_plan_says_how_to_make_one(tmp_path: Path, store: LabelStore) -> None:
    with pytest.raises(StoreError, match="synthseg-generator plan"):
        open_plan(tmp_path / "nowhere.zarr", store)


def test_a_plan_may_lie_at_an_fsspec_url(tmp_path: Path, source: SampleSource) -> None:
    plan = write_plan(source, 70, f"memory://{tmp_path}/plan.zarr")
    assert_same_parameters(source.parameters(69), plan.parameters(69))
