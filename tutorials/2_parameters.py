"""2. What the settings of the generative model do, one group after the other.

Run this as a script (`python tutorials/2_parameters.py --label-maps FOLDER`), or cell by cell in an
editor that knows `# %%`. `docs/reference/generator-settings.md` describes every setting, beside the
original's name for it. Here each group is switched off in turn, to show its part in a scan.
"""

# %%
from heads import label_store, parse
from synthseg_generator import BrainGenerator, GeneratorSettings, generator_settings, preview

options = parse(2, "Shows what the settings of the generator do.")
store = label_store(options)

# %% [markdown]
# ## The released model
#
# One mapping, as a YAML file would hold it. What is left out has the value of the released model,
# so all of this but the crop could be left out. `released` and `2021` are recipes:
# `synthseg-generator preview labels.zarr sheet.png --settings 2021`.

# %%
settings = {
    # Images of one channel. More share the anatomy, and differ in all that follows the deformation.
    "n_channels": 1,
    # ----- which part of the map, on which grid -----
    # The original's output_shape and target_res. `multiple` is its output_div_by_n.
    "crop": {"shape": [options.crop] * 3, "placement": "centred", "jitter": 8},
    # ----- deformation -----
    # A number b means b to either side of no change; a pair is an interval; `False` is off.
    "flip_probability": 0.5,
    "affine": {"rotation_deg": 15, "scaling": 0.2, "shearing": 0.012, "translation": False},
    # A random velocity field on few nodes (0.04 per voxel), integrated, so that it folds nowhere.
    # The original's nonlin_std and nonlin_scale.
    "elastic": {"strength": [0, 4], "scale": 0.04},
    # ----- intensities -----
    # A Gaussian for each class of labels. Any mean from 0 to 250 for anything: that is the idea of
    # SynthSeg. A network that has seen every contrast knows any.
    "mixture": {"means": [0, 250], "stds": [0, 30]},
    "bias_field": {"strength": [0, 0.7], "scale": 0.025, "probability": 0.95},
    # After normalisation intensities are raised to exp(g), g normal with this deviation.
    "gamma_std": 0.5,
    # ----- resolution -----
    # One axis with slices of 1 to 8 mm, or (one time in ten) all three of 1 to 4 mm; one time in
    # twenty that of the map. Slices may be thinner than their distance. Blurred, sampled, enlarged.
    "acquisition": {"max_isotropic_mm": [4, 4, 4], "max_anisotropic_mm": [8, 8, 8]},
}
released = generator_settings(settings)
print("the defaults:", released.mixture == GeneratorSettings().mixture)


# %% [markdown]
# ## One group after the other
#
# The draws of a sample do not depend on each other's settings beyond what they must, so with the
# same seed the four pictures of a row show the same head where it is not meant to change.


# %%
def show(name: str, **changes: object) -> None:
    """Draws two samples with some settings changed."""
    changed = generator_settings({**settings, **changes})
    preview(BrainGenerator(store, changed, seed=3), options.output / f"{name}.png", n_samples=2)


still = {"affine": dict.fromkeys(settings["affine"], False), "elastic": {"strength": False}}
perfect = {"acquisition": {"native_probability": 1}, "bias_field": {"strength": False}}
show("released")
show("without_deformation", **still, flip_probability=0)
show("strong_deformation", elastic={"strength": [8, 8]})
show("without_bias_field", bias_field={"strength": False})
show("strong_bias_field", bias_field={"strength": [1.5, 1.5]})
show("without_blur", acquisition={"native_probability": 1})
show("thick_slices", acquisition={"fixed_spacing_mm": [1, 1, 6]})
show("flat_labels", **perfect, mixture={"stds": [0, 0]}, gamma_std=0)
show("edges", image_gradients=True)

# %% [markdown]
# ## A file of your own
#
# Put what differs into a YAML file and name it: `--settings mine.yaml` of `preview`, `generate` and
# `plan`, or the group `generator` of a training's file (tutorial 3).

# %%
print("pictures:", *sorted(path.name for path in options.output.glob("*.png")))
