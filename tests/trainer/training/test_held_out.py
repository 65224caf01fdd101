import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from synthseg_generator.feed.samples import Shard
from synthseg_trainer.config import load_settings
from synthseg_trainer.runs.progress import RunLog
from synthseg_trainer.training.held_out import HeldOutScores
from synthseg_trainer.training.state import Training
from typed import there


@pytest.fixture(scope="module")
def training(run_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A run before its first step."""
    return Training(load_settings(run_config), tmp_path_factory.mktemp("fresh"))


def test_answers_lie_where_the_whole_network_puts_them(training: Training) -> None:
    source = there(training.sources.of_validation())
    (batch,) = source.dataset(Shard(count=1)).batch(1)
    image, target, answer = there(training._scorer)._compiled(batch)
    logits = training.learner.model(image, training=False).numpy()
    found = np.take_along_axis(logits, answer.numpy()[..., np.newaxis], axis=-1)[..., 0]
    # Of two labels that come as close as rounding, which processors do differently, either may win.
    np.testing.assert_allclose(found, logits.max(axis=-1), atol=1e-5)
    assert np.mean(answer == logits.argmax(axis=-1)) > 0.999
    assert target.shape == answer.shape


def test_scores_come_with_names_and_a_picture(training: Training) -> None:
    scores = there(training.validate())
    assert scores.names[17] == "left hippocampus"
    assert set(scores.dice) == set(scores.names) - {0}
    assert scores.mean == pytest.approx(np.nanmean(list(scores.dice.values())))
    assert scores.picture.dtype == np.uint8
    assert scores.picture.max() == 255


def test_a_run_without_held_out_maps_has_no_scores(run_config: Path, tmp_path: Path) -> None:
    settings = load_settings(run_config)
    validation = dataclasses.replace(settings.validation, maps=())
    assert (
        Training(dataclasses.replace(settings, validation=validation), tmp_path).validate() is None
    )


def test_tensorboard_gets_losses_speed_dice_by_name_and_the_picture(
    training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RunLog(tmp_path, training, training.settings)
    for step in (1, 2):
        log.step(step, "first", 0.5, 0.01)
    picture = np.full((8, 9, 3), 7, np.uint8)
    log.validated(
        2, HeldOutScores({17: 0.25, 53: float("nan")}, {17: "left", 53: "right"}, picture)
    )
    log.close()
    assert "step 2: mean Dice on held-out maps 0.250" in capsys.readouterr().out
    (events,) = (tmp_path / "logs").glob("events.*")
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        for value in event.summary.value:
            found[value.tag] = tf.make_ndarray(value.tensor)
    assert set(found) == {
        *("loss", "learning_rate", "steps_per_second"),
        *("dice/mean", "dice/left", "dice/right", "sample, target, answer"),
    }
    assert found["dice/left"] == np.float32(0.25)
    image = found["sample, target, answer"]
    assert [int(size) for size in image[:2]] == [9, 8]
    np.testing.assert_array_equal(tf.io.decode_png(image[2]), picture)
