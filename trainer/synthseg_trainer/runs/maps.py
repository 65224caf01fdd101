"""Which maps of the store a run learns from."""

from __future__ import annotations

from synthseg_generator.store.label_store import LabelStore

from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import TrainerError


def maps_for_training(store: LabelStore, settings: TrainSettings) -> LabelStore:
    """The store without the maps for validation.

    Raises:
        TrainerError: No map is left to train on.
        GeneratorError: The store has no map of a name.
    """
    kept_out = settings.validation.maps
    if kept_out:
        store.select(kept_out)
    names = [name for name in store.names if name not in kept_out]
    if not names:
        raise TrainerError(
            f"{store.path}: validation takes all {len(store)} maps, none is left to train on."
        )
    return store.select(names)
