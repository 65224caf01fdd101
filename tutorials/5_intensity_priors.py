"""5. Intensity priors from scans of one sequence and their label maps.

Run this as a script (`python tutorials/5_intensity_priors.py --scans FOLDER --scan-labels FOLDER`),
or cell by cell in an editor that knows `# %%`. Without `--scans` it estimates the priors of
synthetic scans whose intensities are known. Read tutorial 4 first: it says what priors are for.
"""

# %%
import argparse
from pathlib import Path

import numpy as np
import yaml
from heads import label_store, parse
from synthseg_generator import (
    CONTRAST_SPECIFIC_CLASSES,
    GENERATION_V2,
    BrainGenerator,
    Mad,
    PriorSettings,
    estimate_priors,
    find_pairs,
    generate,
    generator_settings,
    name_sample_files,
    preview,
    save_priors,
)

options = parse(5, "Estimates intensity priors.")
parser = argparse.ArgumentParser()
parser.add_argument("--scans", type=Path, help="folder of scans of one sequence")
parser.add_argument("--scan-labels", type=Path, help="folder of their label maps, on their grids")
parser.parse_known_args(namespace=options)
store = label_store(options)
crop = {"shape": [options.crop] * 3, "placement": "centred", "jitter": 8}

# %% [markdown]
# ## Scans and label maps
#
# Matched in the sorted order of their names; each label map lies on its scan's grid. In a terminal:
# `synthseg-generator priors scans/ label_maps/ priors/ --tissue-classes`.

# %%
if options.scans:
    pairs = find_pairs(options.scans, options.scan_labels)
else:
    # One contrast, a little different from scan to scan: as from one scanner.
    rng = np.random.default_rng(0)
    rows = np.stack([rng.uniform(30, 220, 25), np.full(25, 4.0)], axis=1).tolist()
    known = {
        "crop": crop,
        "labels": {"classes": "contrast_specific"},
        "mixture": {
            "specific_means": [{"distribution": "normal", "rows": rows}],
            "specific_stds": [{"distribution": "normal", "rows": [[8, 1]] * 25}],
        },
        "bias_field": {"strength": False},
        "gamma_std": 0,
        "acquisition": {"native_probability": 1},
    }
    folder = options.output / "scans"
    generate(BrainGenerator(store, generator_settings(known), seed=5).source, folder, n_samples=4)
    pairs = [name_sample_files(folder, k) for k in range(4)]
scans, label_maps = zip(*pairs, strict=True)

# %% [markdown]
# ## Two conventions of the deviation
#
# For each class the voxels' median and their median absolute deviation (MAD) are taken: both ignore
# the few voxels that a segmentation got wrong. A Gaussian's standard deviation is 1.4826 times its
# MAD. The original multiplied by that with SciPy 1.4, and its own fallback for later versions does
# not, so priors that were estimated with one and the other differ by that factor. `Mad.GAUSSIAN` is
# what a mixture of Gaussians needs; `Mad.RAW` is for comparison with priors made the other way.

# %%
priors = {
    mad: estimate_priors(
        scans,
        label_maps,
        PriorSettings(
            values=GENERATION_V2.values,
            classes=CONTRAST_SPECIFIC_CLASSES,
            mad=mad,
        ),
    )
    for mad in Mad
}
white = CONTRAST_SPECIFIC_CLASSES[GENERATION_V2.values.index(2)]
for mad, found in priors.items():
    mean, deviation = found.means[0, 0, white], found.stds[0, 0, white]
    print(f"{mad.name}: white matter {mean:.1f}, deviation {deviation:.2f}")
ratio = priors[Mad.GAUSSIAN].stds[0, 0, white] / priors[Mad.RAW].stds[0, 0, white]
print(f"the conventions differ by a factor of {ratio:.4f}")

# %% [markdown]
# ## Use them
#
# `mixture.yaml` is a part of a settings file; the two arrays have the original's layout and are
# read by `{file: prior_means.npy, distribution: normal}` as in tutorial 4.

# %%
mixture_path, *arrays = save_priors(priors[Mad.GAUSSIAN], options.output / "priors")
settings = {
    "crop": crop,
    "labels": {"classes": "contrast_specific"},
    **yaml.safe_load(mixture_path.read_text()),
}
preview(
    BrainGenerator(store, generator_settings(settings), seed=1),
    options.output / "with_estimated_priors.png",
    n_samples=3,
)
print("priors:", *(path.name for path in (mixture_path, *arrays)))
