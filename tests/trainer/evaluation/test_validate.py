import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from loading import load_nifti
from synthseg_common.labels import SegmentationLabels
from synthseg_trainer.cli import main
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.evaluation.validate import ValidationOptions, validate
from synthseg_trainer.evaluation.validation_records import ValidationError
from synthseg_trainer.network.bundle import Bundle, load_bundle, weights_of
from synthseg_trainer.network.unet import build_unet
from synthseg_trainer.runs.checkpoints import Checkpoint, save_checkpoint
from tables import read_rows

LABELS = SegmentationLabels(
    values=(0, 5, 7),
    names=("background", "core", "shell"),
    topology_classes=(0, 0, 0),
    flip_channels=(0, 1, 2),
)
# Of the three channels, which the answer of each checkpoint prefers.
PREFERENCES = {100: (2.0, 0.0, 0.0), 200: (0.0, 2.0, 0.0), 300: (0.0, 0.0, 2.0)}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three checkpoints: each answers the same label everywhere."""
    network = NetworkSettings(n_labels=3, features=2, n_levels=2)
    weights = weights_of(build_unet(network))
    for step, bias in PREFERENCES.items():
        constant = {**weights, "unet_likelihood/kernel": weights["unet_likelihood/kernel"] * 0}
        constant["unet_likelihood/bias"] = np.array(bias, np.float32)
        bundle = Bundle(
            network=network, labels=LABELS, weights=constant, info={"anatomy": "phantom"}
        )
        save_checkpoint(tmp_path / "run", Checkpoint(bundle, (), {"step": step, "settings": {}}))
    return tmp_path / "run"


@pytest.fixture
def scans(tmp_path: Path) -> tuple[Path, Path]:
    """Two scans of 2 mm slices with label maps of 1 mm, which are mostly core; and other files."""
    labels = np.zeros((16, 18, 20), np.int16)
    labels[2:14, 2:16, 2:18] = 5
    labels[:, :, :2] = 7
    for folder in ("scans", "labels"):
        (tmp_path / folder).mkdir()
        for name in (".DS_Store", "notes.txt", "settings.json", "._one.nii.gz"):
            (tmp_path / folder / name).write_text("not a volume")
    thick = np.diag([1.0, 1.0, 2.0, 1.0])
    thick[2, 3] = 0.5
    for name in ("one", "two"):
        values = np.random.default_rng(0).normal(size=(16, 18, 10)).astype(np.float32)
        nib.save(nib.Nifti1Image(values, thick), tmp_path / "scans" / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(labels, np.eye(4)), tmp_path / "labels" / f"{name}.nii")
    return tmp_path / "scans", tmp_path / "labels"


def _validate(run: Path, scans: tuple[Path, Path], *options: str) -> Result:
    arguments = ["validate", str(run), "--scans", str(scans[0]), "--labels", str(scans[1])]
    return CliRunner().invoke(main, [*arguments, *options])


def test_all_checkpoints_are_scored_and_the_best_is_kept(
    run: Path, scans: tuple[Path, Path]
) -> None:
    for name in (".writing-abc", "notes", "step-00000400"):
        (run / "checkpoints" / name).mkdir()
    (run / "checkpoints" / "step-00000500").write_text("a file")
    done = _validate(run, scans)
    assert done.exit_code == 0, done.output
    assert "Best: step 200" in done.stdout
    folder = run / "validation"
    assert f"synthseg-serving export {folder / 'best.npz'}" in done.stdout
    assert {path.name for path in folder.iterdir()} == {
        *(f"step-{step:08d}.json" for step in PREFERENCES),
        *("scores.csv", "curve.csv", "curves.png", "best.npz"),
    }
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    best = load_bundle(folder / "best.npz")
    assert tuple(best.weights["unet_likelihood/bias"]) == PREFERENCES[200]
    assert best.info["validation"]["scans"] == 2


def test_dice_is_that_of_the_label_maps(run: Path, scans: tuple[Path, Path]) -> None:
    _validate(run, scans)
    curve = read_rows(run / "validation" / "curve.csv")
    # 200 answers core (12 x 14 x 16 of 16 x 18 x 20 voxels) everywhere, 300 the shell.
    size, core, shell = 16 * 18 * 20, 12 * 14 * 16, 16 * 18 * 2
    expected = [(0, 0), (2 * core / (size + core), 0), (0, 2 * shell / (size + shell))]
    for row, (first, second) in zip(curve, expected, strict=True):
        assert float(row["core"]) == pytest.approx(first, abs=1e-5)
        assert float(row["shell"]) == pytest.approx(second, abs=1e-5)
        assert float(row["mean"]) == pytest.approx((first + second) / 2, abs=1e-5)
    assert len(read_rows(run / "validation" / "scores.csv")) == 3 * 2 * 2


def test_scored_checkpoints_are_not_scored_again_and_outlive_rotation(
    run: Path, scans: tuple[Path, Path]
) -> None:
    options = ValidationOptions()
    first = validate(run, *scans, options, every=2)
    assert [record.step for record in first.records] == [100, 300]
    record = run / "validation" / "step-00000100.json"
    content = json.loads(record.read_text().replace("0.0", "0.25"))
    del content["setup"]["files_sha256"]  # earlier versions had none
    record.write_text(json.dumps(content))
    said: list[str] = []
    for path in (run / "checkpoints" / "step-00000300").iterdir():
        path.unlink()
    second = validate(run, *scans, options, say=said.append)
    assert [record.step for record in second.records] == [100, 200, 300]
    assert second.best.step == 200
    assert said[0] == "step 100: mean Dice 0.250 (scored before)"


def test_a_broken_checkpoint_is_left_out(run: Path, scans: tuple[Path, Path]) -> None:
    (run / "checkpoints" / "step-00000200" / "model.npz").write_text("cut off")
    said: list[str] = []
    outcome = validate(run, *scans, ValidationOptions(), say=said.append)
    assert [record.step for record in outcome.records] == [100, 300]
    assert "step 200: left out" in said[1]


def test_scores_of_other_scans_or_options_are_not_mixed(
    run: Path, scans: tuple[Path, Path]
) -> None:
    validate(run, *scans, ValidationOptions(), every=3)
    with pytest.raises(ValidationError, match="flip: False -> True"):
        validate(run, *scans, ValidationOptions(flip=True))
    # The same people, another contrast.
    other = load_nifti(scans[0] / "two.nii.gz")
    nib.save(nib.Nifti1Image(1 - other.get_fdata(), other.affine), scans[0] / "two.nii.gz")
    with pytest.raises(ValidationError, match="files of the same names hold something else"):
        validate(run, *scans, ValidationOptions())
    for folder in scans:
        next(folder.glob("two*")).unlink()
    with pytest.raises(ValidationError, match=r"scans: \['one', 'two'\] -> \['one'\]"):
        validate(run, *scans, ValidationOptions())
    elsewhere = validate(run, *scans, ValidationOptions(), output=run / "other", every=3)
    assert elsewhere.best.scans == ("one",)


def test_scores_of_another_run_in_the_folder_are_refused(
    run: Path, scans: tuple[Path, Path]
) -> None:
    validate(run, *scans, ValidationOptions(), every=3)
    record = run / "validation" / "step-00000100.json"
    content = json.loads(record.read_text()) | {"weights_sha256": "0" * 64}
    record.write_text(json.dumps(content))
    with pytest.raises(ValidationError, match="step 100 had other weights"):
        validate(run, *scans, ValidationOptions())


@pytest.mark.parametrize(
    ("channels", "info", "complaint"),
    [(2, {}, "takes 2 channels"), (1, {"voxel_size_mm": [1.0, 2.0]}, "sides of 1.0 and 2.0 mm")],
)
def test_networks_that_no_scan_fits_are_refused(
    tmp_path: Path, scans: tuple[Path, Path], channels: int, info: dict[str, object], complaint: str
) -> None:
    network = NetworkSettings(n_labels=3, features=2, n_levels=2, n_channels=channels)
    bundle = Bundle(network=network, labels=LABELS, weights={}, info=info)
    save_checkpoint(tmp_path / "odd", Checkpoint(bundle, (), {"step": 1, "settings": {}}))
    with pytest.raises(ValidationError, match=complaint):
        validate(tmp_path / "odd", *scans, ValidationOptions())


def test_long_scans_are_cut_around_the_structures(run: Path, scans: tuple[Path, Path]) -> None:
    whole = validate(run, *scans, ValidationOptions(), output=run / "whole")
    # Around the middle of the structures all is core.
    cut = validate(run, *scans, ValidationOptions(limit=8), output=run / "cut")
    assert cut.records[1].dice[0, 0] > whole.records[1].dice[0, 0]


def test_a_run_without_checkpoints_is_one_line(tmp_path: Path, scans: tuple[Path, Path]) -> None:
    (tmp_path / "empty").mkdir()
    done = _validate(tmp_path / "empty", scans)
    assert done.exit_code == 2
    assert "holds no checkpoint" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_scans_without_a_label_map_can_be_left_out(run: Path, scans: tuple[Path, Path]) -> None:
    (scans[1] / "two.nii").unlink()
    done = _validate(run, scans, "--every", "3")
    assert done.exit_code == 2
    assert "two.nii.gz. Add them, or leave them out with --partial." in done.stderr
    done = _validate(run, scans, "--every", "3", "--partial")
    assert done.exit_code == 0, done.output
    assert {row["subject"] for row in read_rows(run / "validation" / "scores.csv")} == {"one"}


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_scored(
    run: Path, scans: tuple[Path, Path]
) -> None:
    (run / "taken").write_text("a file")
    done = _validate(run, scans, "--o", str(run / "taken" / "results"))
    assert done.exit_code == 2
    assert "taken/results cannot be written to" in done.stderr
    assert "step" not in done.stdout
