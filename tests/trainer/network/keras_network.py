"""What somebody does who trains on another backend of Keras: builds, trains, saves, computes.

    KERAS_BACKEND=jax python keras_network.py OUTPUT_DIR [WEIGHTS]

writes BACKEND.weights.h5 (with BACKEND.json) and BACKEND_logits.npz: an image and the network's
logits for it. Without WEIGHTS the network begins at random and takes one step in half the width,
whose gradients are ours.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network.unet import build_unet

NETWORK = NetworkSettings(n_labels=33, features=2, n_levels=2, stem=2)
SETTINGS = {"network": {"features": 2, "n_levels": 2, "stem": 2}, "labels": "v2"}


def trained(image: np.ndarray) -> keras.Model:
    """A network in half the width, after one step."""
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = build_unet(NETWORK)
    keras.mixed_precision.set_global_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    before = [w.copy() for w in model.get_weights()]
    model.train_on_batch(image, (10 * image).astype("int32"))
    moved = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(moved), moved
    return model


def main(output: Path, weights: Path | None) -> None:
    backend = keras.backend.backend()
    keras.utils.set_random_seed(1)
    image = np.random.default_rng(1).random((1, 8, 8, 8, 1), np.float32)
    model = build_unet(NETWORK)
    if weights is not None:
        model.load_weights(weights)
    else:
        model.set_weights(trained(image).get_weights())
    model.save_weights(output / f"{backend}.weights.h5")
    (output / f"{backend}.json").write_text(json.dumps(SETTINGS) + "\n")
    logits = keras.ops.convert_to_numpy(model(image, training=False))
    np.savez_compressed(output / f"{backend}_logits.npz", image=image, logits=logits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
