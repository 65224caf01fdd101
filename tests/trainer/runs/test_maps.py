import dataclasses
from pathlib import Path

import pytest
from synthseg_generator.errors import GeneratorError
from synthseg_generator.store.label_store import open_store
from synthseg_trainer.config import TrainSettings, load_settings
from synthseg_trainer.errors import TrainerError
from synthseg_trainer.runs.maps import maps_for_training


def keeping_out(settings: TrainSettings, *maps: str) -> TrainSettings:
    validation = dataclasses.replace(settings.validation, maps=maps)
    return dataclasses.replace(settings, validation=validation)


def test_maps_for_validation_are_not_learned_from(run_config: Path) -> None:
    settings = load_settings(run_config)
    store = open_store(settings.store)
    assert maps_for_training(store, settings).names == ("head_0", "head_1")
    assert maps_for_training(store, keeping_out(settings)).names == store.names


def test_what_leaves_nothing_or_is_not_there_is_refused(run_config: Path) -> None:
    settings = load_settings(run_config)
    store = open_store(settings.store)
    with pytest.raises(TrainerError, match="none is left to train on"):
        maps_for_training(store, keeping_out(settings, *store.names))
    with pytest.raises(GeneratorError, match="head_9"):
        maps_for_training(store, keeping_out(settings, "head_9"))
