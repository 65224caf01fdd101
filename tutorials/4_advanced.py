"""4. Scans of one contrast and resolution: known priors, fixed slices, several channels.

Run this as a script (`python tutorials/4_advanced.py --label-maps FOLDER`), or cell by cell in an
editor that knows `# %%`. Read tutorial 2 first. A network for one sequence alone does well there
and nowhere else: take this when you know what you will segment.
"""

# %%
import numpy as np
from heads import label_store, parse
from synthseg_generator import (
    CONTRAST_SPECIFIC_CLASSES,
    GENERATION_V2,
    BrainGenerator,
    generate,
    generator_settings,
    preview,
)

options = parse(4, "Makes synthetic scans of known contrast and resolution.")
store = label_store(options)
crop = {"shape": [options.crop] * 3, "placement": "centred", "jitter": 8}

# %% [markdown]
# ## Classes
#
# With random contrast every structure has a Gaussian of its own. In a real sequence left and right,
# and all fluids, look alike: fewer classes, which the original calls contrast-specific.

# %%
n_classes = max(CONTRAST_SPECIFIC_CLASSES) + 1
print(f"{len(GENERATION_V2.values)} labels, {GENERATION_V2.n_classes} classes, here {n_classes}")

# %% [markdown]
# ## Priors
#
# Two arrays of two rows, one column per class: the mean and the deviation of the class's mean
# intensity, and of its standard deviation. Tutorial 5 estimates them from scans; the original ships
# some for T1 (`prior_means_t1.npy`). These are invented: white matter bright, fluid dark.

# %%
bright = {2: 160, 41: 160, 7: 150, 46: 150, 16: 150, 3: 100, 42: 100, 8: 95, 47: 95}
grey = {10: 120, 49: 120, 12: 115, 51: 115, 17: 105, 53: 105, 4: 30, 43: 30, 24: 25, 516: 60}
brightness = {**bright, **grey}
means, stds = np.zeros((2, n_classes)), np.zeros((2, n_classes))
means[0], stds[0] = 80, 10
for value, number in zip(GENERATION_V2.values, CONTRAST_SPECIFIC_CLASSES, strict=True):
    if value in brightness:
        means[0, number] = brightness[value]
means[1], stds[1] = 6, 3
means[0, 0] = 5
np.save(options.output / "prior_means.npy", means)
np.save(options.output / "prior_stds.npy", stds)
known_contrast = {
    "specific_means": {"file": str(options.output / "prior_means.npy"), "distribution": "normal"},
    "specific_stds": {"file": str(options.output / "prior_stds.npy"), "distribution": "normal"},
}
t1 = {"crop": crop, "labels": {"classes": "contrast_specific"}, "mixture": known_contrast}
preview(
    BrainGenerator(store, generator_settings(t1), seed=1),
    options.output / "one_contrast.png",
    n_samples=3,
)

# %% [markdown]
# One scan in four of another, random contrast keeps the network from trusting the prior too much
# (the original's `mix_prior_and_random` takes one in two).

# %%
mixed = {**t1, "mixture": {**known_contrast, "specific_probability": 0.75}}
preview(
    BrainGenerator(store, generator_settings(mixed), seed=1),
    options.output / "mixed_with_random.png",
    n_samples=3,
)

# %% [markdown]
# ## The resolution of your scanner
#
# Slices of 3 mm every 4.5 mm from top to bottom, instead of random ones. The image has the label
# map's voxels all the same: SynthSeg always segments at 1 mm. The original's `data_res` and
# `thickness`.

# %%
clinical = {
    **t1,
    "acquisition": {"fixed_spacing_mm": [1, 1, 4.5], "fixed_thickness_mm": [1, 1, 3]},
}
preview(
    BrainGenerator(store, generator_settings(clinical), seed=1),
    options.output / "one_resolution.png",
    n_samples=3,
)

# %% [markdown]
# ## Two channels
#
# A T1-like scan at 1 mm and a second one of random contrast with thick axial slices: one anatomy,
# two intensities, two resolutions. Rows of `fixed_spacing_mm` belong to channels.

# %%
two_channels = {
    "n_channels": 2,
    "crop": crop,
    "acquisition": {"fixed_spacing_mm": [[1, 1, 1], [1, 1, 5]]},
}
generator = BrainGenerator(store, generator_settings(two_channels), seed=1)
image, labels = generator.sample(0)
print("two channels:", image.shape, "one label map:", labels.shape)
generate(generator.source, options.output / "two_channels", n_samples=1)

# %% [markdown]
# ## Another voxel size
#
# Images and targets of 2 mm from maps of 1 mm (the original's `target_res`).

# %%
coarse = {"crop": {"shape": [options.crop // 2] * 3, "spacing_mm": [2, 2, 2]}}
image, labels = BrainGenerator(store, generator_settings(coarse), seed=1).sample(0)
print("at 2 mm:", image.shape[:3], labels.shape)
