from pathlib import Path

import numpy as np
import pytest
from nifti_files import save_volume
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.evaluation.comparison import ComparisonError, compare
from synthseg_trainer.evaluation.label_lists import LabelList, read_label_list
from synthseg_trainer.evaluation.pair_scores import Scoring
from synthseg_trainer.evaluation.pairs import match_files
from synthseg_trainer.evaluation.probabilities import check_channels, compare_probabilities


@pytest.mark.parametrize(
    "channels",
    [None, LabelList((3, 42), ("left", "right")), LabelList((42, 3), ("right", "left"))],
)
def test_soft_dice_of_sure_probabilities_is_hard_dice(
    tmp_path: Path, labels: LabelArray, channels: LabelList | None
) -> None:
    values = (0, *read_label_list("v1").values) if channels is None else (0, 3, 42)
    truth = save_volume(tmp_path / "truth.nii.gz", np.roll(labels, 1, 2))
    sure = np.stack([labels == value for value in values], axis=-1)
    answer = save_volume(tmp_path / "p.nii.gz", sure, dtype=np.float32)
    wanted = LabelList((42, 3, 9), ("right", "left", "other"))
    (found,) = compare_probabilities(match_files(truth, answer), wanted, channels)
    hard = compare(match_files(truth, save_volume(tmp_path / "hard.nii", labels)), Scoring())
    np.testing.assert_allclose(found[[1, 0, 3]], hard.values["dice"][0])
    assert np.isnan(found[2])


@pytest.mark.parametrize("name", ["p.nii", "p.nii.gz"])
def test_where_the_clean_up_left_nothing_is_background(
    tmp_path: Path, labels: LabelArray, name: str
) -> None:
    truth = save_volume(tmp_path / "truth.nii", labels)
    sure = np.stack([labels == value for value in (0, 3, 42)], axis=-1).astype(np.float32)
    sure[0, 0, 0] = np.nan
    assert labels[0, 0, 0] == 0
    answer = save_volume(tmp_path / name, sure, dtype=np.float32)
    wanted = LabelList((0, 3, 42), ("background", "left", "right"))
    (found,) = compare_probabilities(match_files(truth, answer), wanted, wanted)
    np.testing.assert_array_equal(found, 1)


def test_probabilities_that_do_not_fit_the_labels_are_refused(
    tmp_path: Path, labels: LabelArray
) -> None:
    truth = save_volume(tmp_path / "truth.nii", labels)
    answer = save_volume(tmp_path / "p.nii", np.stack([labels] * 5, axis=-1), dtype=np.float32)
    pairs = match_files(truth, answer)
    for refuse in (
        lambda: compare_probabilities(pairs, LabelList((3,), ("left",))),
        lambda: check_channels(pairs, None),
    ):
        with pytest.raises(ComparisonError, match=r"p\.nii has shape .* 32 or 33 channels"):
            refuse()
