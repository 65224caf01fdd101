"""What somebody does who trains on Keras' JAX backend: builds the network, saves it, computes.

    KERAS_BACKEND=jax python jax_network.py OUTPUT_DIR [WEIGHTS]

writes jax.weights.h5 (with jax.json) and jax_logits.npz: an image and the network's logits for it.
Without WEIGHTS the network is random, its normalisations too.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from synthseg_trainer.config import NetworkSettings
from synthseg_trainer.network import build_unet


def main(output: Path, weights: Path | None) -> None:
    assert keras.backend.backend() == "jax", keras.backend.backend()
    keras.utils.set_random_seed(1)
    model = build_unet(NetworkSettings(n_labels=33, features=2, n_levels=2, stem=2))
    rng = np.random.default_rng(1)
    if weights is not None:
        model.load_weights(weights)
    else:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    model.save_weights(output / "jax.weights.h5")
    settings = {"network": {"features": 2, "n_levels": 2, "stem": 2}, "labels": "v2"}
    (output / "jax.json").write_text(json.dumps(settings) + "\n")
    image = rng.random((1, 8, 8, 8, 1), np.float32)
    logits = np.asarray(model(image, training=False))
    np.savez_compressed(output / "jax_logits.npz", image=image, logits=logits)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
