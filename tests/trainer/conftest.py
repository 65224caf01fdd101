"""A small store and a small run that the trainer's tests share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nifti_files import save_volume
from synthseg_common.labels import SYNTHSEG_V1
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.bundle import Bundle, save_bundle, weights_of
from synthseg_trainer.network.unet import build_unet

RUN = """
store: {store}
precision: float32
network: {{stem: 2, features: 4, n_levels: 2, convs_per_level: 1}}
generator:
  crop: {{shape: [32, 32, 32], placement: centred, jitter: 2}}
  elastic: {{squarings: 1}}
stages:
  - {{name: first, steps: 2, loss: wl2, learning_rate: 0.01}}
  - {{name: second, steps: 3, loss: dice_cross_entropy, learning_rate: 0.01,
      final_learning_rate: 0.001, fresh_optimizer: true, generator: {{gamma_std: 0.2}}}}
average_decay: 0.9
validation: {{maps: [head_2], every_steps: 4, samples: 1}}
checkpoint_steps: 2
log_steps: 1
"""


@pytest.fixture(scope="session")
def head_store(
    tmp_path_factory: pytest.TempPathFactory, make_head: Callable[..., np.ndarray]
) -> Path:
    """Three small heads in a store."""
    folder = tmp_path_factory.mktemp("heads")
    for number, size in enumerate((1.0, 0.9, 0.95)):
        save_volume(folder / f"head_{number}.nii.gz", make_head((40, 44, 42), size=size))
    store = folder / "heads.zarr"
    ingest(folder, store, LABEL_TABLES["v2"])
    return store


@pytest.fixture(scope="session")
def run_config(tmp_path_factory: pytest.TempPathFactory, head_store: Path) -> Path:
    """A settings file of five steps in two stages."""
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    path.write_text(RUN.format(store=head_store))
    return path


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle file with a small network."""
    network = NetworkSettings(n_labels=32, features=4, n_levels=3)
    path = tmp_path_factory.mktemp("bundle") / "small.npz"
    weights = weights_of(build_unet(network))
    save_bundle(path, Bundle(network=network, labels=SYNTHSEG_V1, weights=weights))
    return path
