"""1. Synthetic scans: make some, look at them, write them as NIfTI.

Run this as a script (`python tutorials/1_visualise.py --label-maps FOLDER`), or cell by cell in an
editor that knows `# %%`. Without `--label-maps` it takes three invented heads; all that it writes
goes to `tutorial_1/`, or where `--output` says.
"""

# %%
import numpy as np
from heads import label_store, parse
from synthseg_generator import (
    BrainGenerator,
    Crop,
    GeneratorSettings,
    draw_stages,
    generate,
    preview,
)

options = parse(1, "Makes synthetic scans and shows them.")

# %% [markdown]
# ## Label maps
#
# The original reads a folder of label maps whenever it starts. Here they go into a store once:
# `synthseg-generator ingest FOLDER labels.zarr`. It checks them, aligns them to the same axes and
# knows what the labels mean. Look at `synthseg-generator check labels.zarr` before you train.

# %%
store = label_store(options)
print(f"{len(store)} label maps, the first of {store.shapes[0]} voxels of {store.voxel_size_mm} mm")

# %% [markdown]
# ## Three lines
#
# The generator is an endless series. `BrainGenerator("labels.zarr", seed=1)` alone has the settings
# of the released model; only the crop is chosen here, as the heads may be small. The original's
# `brain_generator.generate_brain()` exists too. Sample k depends on the settings, the seed and k,
# and on nothing else: `generator.sample(4)` is the same whenever, wherever it is asked for.

# %%
settings = GeneratorSettings(crop=Crop(shape=(options.crop,) * 3, placement="centred", jitter=8))
generator = BrainGenerator(store, settings, seed=1)
for image, labels in generator:
    print(f"image {image.shape} from {image.min():.2f} to {image.max():.2f}")
    print("labels", np.unique(labels))
    break

# %% [markdown]
# ## Look at them
#
# In a terminal: `synthseg-generator preview labels.zarr sheet.png --samples 6 --seed 1`, and with
# `--stages` one sample step by step: the map, warped and cropped, painted with a Gaussian for each
# class, a bias field, gamma, and the blur and slices of a scanner.

# %%
preview(generator, options.output / "samples.png", n_samples=4)
draw_stages(generator, options.output / "stages.png", n_samples=1)

# %% [markdown]
# ## Write them
#
# In a terminal, with two processes, going on where an interrupted run ended:
# `synthseg-generator generate labels.zarr scans/ --samples 100 --seed 1 --workers 2`. The files lie
# where the crop lies in the label map.

# %%
report = generate(generator.source, options.output / "scans", n_samples=2)
print(f"{len(report.written)} samples written, {len(report.kept)} were there")
