"""3. Training: the numbers of the released model beside those of a network for a minute or two.

Read tutorial 2 first: what it says of generation is not said again here. Run this as a script
(`python tutorials/3_training.py --label-maps FOLDER`), or cell by cell in an editor that knows
`# %%`. Without `--label-maps` it trains on invented heads; all that it writes goes to
`tutorial_3/`, or where `--output` says.
"""

# %%
import argparse
from pathlib import Path

import yaml
from heads import label_store
from synthseg_trainer import find_bundle, load_bundle, load_settings, train

parser = argparse.ArgumentParser(description="Trains a small SynthSeg.")
parser.add_argument("--label-maps", type=Path, help="folder of label maps with 2.0's labels")
parser.add_argument("--output", type=Path, default=Path("tutorial_3"), help="where results go")
parser.add_argument("--crop", type=int, default=32, help="edge of the samples in voxels")
parser.add_argument("--steps", type=int, default=40, help="steps of the second stage")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own
options.output.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Label maps
#
# The original reads a folder of label maps at each start. Here they go into a store once
# (`synthseg-generator ingest`), which knows their labels: which have no side, which look alike
# (`classes`), what the network shall answer for each (`targets`). The table `v2` is the original's
# `generation_labels.npy`, `generation_classes.npy` and `synthseg_segmentation_labels_2.0.npy` in
# one. For labels of your own see `examples/own_anatomy`.

# %%
store = label_store(options)
print(f"{len(store)} label maps, the first of {store.shapes[0]} voxels")

# %% [markdown]
# ## Settings
#
# One mapping, as a YAML file would hold it. What is left out has the value of the released model.
# `synthseg-trainer recipes` lists whole files, `released` among them.

# %%
settings = {
    "seed": 1,
    "batch_size": 1,
    # ----- architecture -----            the released model
    "network": {
        "n_levels": 2,  #                 5      resolutions, each half the one above
        "convs_per_level": 2,  #          2
        "kernel_size": 3,  #              3
        "features": 8,  #                 24     of the first level; doubled at each
        "activation": "elu",  #           elu    softmax after the last layer, always
        "normalization": "instance",  #   batch  needs long training before it serves
    },
    # ----- generation, see tutorial 2 -----
    "generator": {
        "crop": {"shape": [options.crop] * 3, "placement": "centred"},  # 160, anywhere in the map
        "flip_probability": 0.5,
        "affine": {"rotation_deg": [-15, 15], "scaling": [0.8, 1.2], "shearing": [-0.012, 0.012]},
        "elastic": {"strength": [0, 2]},  #          [0, 4]
        "bias_field": {"strength": [0, 0.5]},  #     [0, 0.7]
        "gamma_std": 0.5,
        "acquisition": {"max_isotropic_mm": 4, "max_anisotropic_mm": 8},
    },
    # ----- training -----
    # First the layer before the softmax is pulled to plus or minus 5 (WL2), then Dice counts. The
    # released model took 5000 steps of WL2 and 100 times 5000 of Dice, at a rate of 1e-4.
    "stages": [
        {"name": "warm-up", "loss": "wl2", "steps": 10, "learning_rate": 0.01},
        {
            "name": "Dice",
            "loss": "dice_cross_entropy",
            "steps": options.steps,
            "learning_rate": 0.01,
            "final_learning_rate": 0.001,
        },
    ],
    # The original has no scores while it trains. Here some maps are kept out of training.
    "validation": {"maps": [store.names[0]], "every_steps": 25, "samples": 2},
    "checkpoint_steps": 25,
}

# %% [markdown]
# ## Training
#
# The command is `synthseg-trainer train settings.yaml --run run`. Stop it at any time (Ctrl-C, or a
# scheduler's SIGTERM): with `--resume` it goes on as if nothing had happened. Progress, Dice per
# structure and a sample with its prediction are in TensorBoard: `tensorboard --logdir run`.

# %%
settings_path = options.output / "settings.yaml"
settings_path.write_text(yaml.safe_dump(settings, sort_keys=False))
run = options.output / "run"
finished = train(load_settings(settings_path, store=store.path), run, resume=True)
print("trained to the end" if finished else "interrupted; run again to go on")

# %% [markdown]
# ## What came out
#
# A checkpoint holds the weights, the label table and the recipe, so nothing else is needed to serve
# it: `synthseg-serving export run models/mine`, then `synthseg-client segment --model models/mine`.

# %%
bundle = load_bundle(find_bundle(run))
count = sum(value.size for value in bundle.weights.values())
print(f"{count} weights after {bundle.info['training']['step']} steps")
print("labels:", ", ".join(bundle.labels.names[:3]), "and so on")
