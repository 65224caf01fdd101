"""3. Training: the numbers of the released model beside those of a network for a minute or two.

Read tutorial 2 first: what it says of generation is not said again here. Run this as a script
(`python tutorials/3_training.py`), or cell by cell in an editor that knows `# %%`. Without
`--label-maps` it trains on three invented heads.
"""

# %%
import argparse
import os
from pathlib import Path

# Twice as fast on many CPUs; TensorFlow reads it once.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import nibabel as nib
import numpy as np
import yaml
from synthseg_generator.check import check
from synthseg_generator.ingest import ingest
from synthseg_generator.label_table import read_label_table
from synthseg_generator.store import open_store
from synthseg_trainer.bundle import load_bundle
from synthseg_trainer.checkpoints import find_bundle
from synthseg_trainer.config import load_settings
from synthseg_trainer.loop import train

parser = argparse.ArgumentParser(description="Trains a small SynthSeg.")
parser.add_argument("--label-maps", type=Path, help="folder of label maps with 2.0's labels")
parser.add_argument("--output", type=Path, default=Path("tutorial_3"), help="where results go")
parser.add_argument("--steps", type=int, default=40, help="steps of the second stage")
options, _ = parser.parse_known_args()  # a notebook has arguments of its own
options.output.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Label maps
#
# The original reads a folder of label maps at each start. Here they go into a store once, which
# knows their labels: which have no side, which look alike (`classes`), what the network shall
# answer for each (`targets`). `v2` is the original's `generation_labels.npy`,
# `generation_classes.npy` and `synthseg_segmentation_labels_2.0.npy` in one table.


# %%
def invented_head(size: float) -> np.ndarray:
    """A head of a few ellipsoids with FreeSurfer's labels: int16 `[48, 48, 48]`."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij")) / size
    labels = np.zeros((48, 48, 48), np.int16)
    for value, centre, radius in (
        (516, (0, 0, 0), (0.9, 0.95, 0.95)),  # skull and all else
        (24, (0, 0, 0.1), (0.75, 0.85, 0.8)),  # fluid around the brain
        *((v, (s * 0.36, 0, 0.1), (0.33, 0.75, 0.65)) for v, s in ((3, -1), (42, 1))),  # cortex
        *((v, (s * 0.33, 0, 0.1), (0.22, 0.55, 0.45)) for v, s in ((2, -1), (41, 1))),  # white
    ):
        terms = zip(grid, centre, radius, strict=True)
        labels[sum(((g - c) / r) ** 2 for g, c, r in terms) <= 1] = value
    return labels


# The table of the invented heads: labels without a side, left ones, right ones in the same order.
INVENTED = {
    "values": [0, 24, 516, 2, 3, 41, 42],
    "n_neutral": 3,
    "targets": [0, 24, 0, 2, 3, 41, 42],  # the skull is background to the network
    "names": {24: "csf", 2: "left white matter", 3: "left cortex"}
    | {41: "right white matter", 42: "right cortex"},
}

maps, table = options.label_maps, "v2"
if maps is None:
    table = options.output / "labels.yaml"
    table.write_text(yaml.safe_dump(INVENTED))
    maps = options.output / "label_maps"
    maps.mkdir(exist_ok=True)
    for number, size in enumerate((1.0, 0.95, 0.9)):
        path = maps / f"head_{number}.nii.gz"
        if not path.exists():  # a store holds to the content of the files that it was made of
            nib.save(nib.Nifti1Image(invented_head(size), np.eye(4)), path)

store_path = options.output / "labels.zarr"
ingest(maps, store_path, read_label_table(table))
store = open_store(store_path)
print(f"{len(store)} label maps of {store.shapes[0]} voxels")
for finding in check(store):
    print(finding)

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
        "crop": {"shape": [32, 32, 32], "placement": "centred", "jitter": 4},  # 160, anywhere
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
finished = train(load_settings(settings_path, store=str(store_path)), run, resume=True)
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
print("labels:", ", ".join(bundle.labels.names))
