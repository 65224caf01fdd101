"""Settings of the generative model. Importing this module loads nothing heavy.

The defaults are those of the released model (160³ crops at 1 mm), from the training script that its
authors name (`scripts/tutorials/3-SynthSeg_training.py` of the original); `recipes/released.yaml`
writes them all down, `recipes/2021.yaml` those of the first release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.acquisition import Acquisition
from synthseg_generator.settings.anatomy import Growth, Lesions
from synthseg_generator.settings.coverage import FieldOfView, Stripping
from synthseg_generator.settings.intensity import BiasField, Mixture, Prior
from synthseg_generator.settings.labels import LabelSettings
from synthseg_generator.settings.ranges import (
    AXES,
    PerAxis,
    PerTerm,
    Triple,
    Uniform,
    check_count,
    check_not_negative,
    check_positive,
    check_probability,
    cube,
    each_axis,
    each_term,
)
from synthseg_generator.settings.reading import read_settings
from synthseg_generator.settings.shape import Affine, Crop, Elastic
from synthseg_generator.settings.short_forms import entries_or_off

__all__ = [
    "AXES",
    "Acquisition",
    "Affine",
    "BiasField",
    "Crop",
    "Elastic",
    "FieldOfView",
    "GeneratorSettings",
    "Growth",
    "LabelSettings",
    "Lesions",
    "Mixture",
    "PerAxis",
    "PerTerm",
    "Prior",
    "Stripping",
    "Triple",
    "Uniform",
    "cube",
    "each_axis",
    "each_term",
    "generator_settings",
    "read_settings",
]


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings:
    """The generative model; label maps and their table come from the store.

    Attributes:
        n_channels: Channels per image; they share the anatomy and differ in intensity and
            resolution.
        map_weights: Names of label maps and how often each is taken, relative to 1 for a map that
            is not named; none takes all equally often. In a settings file, a mapping.
        labels: What replaces parts of the store's label table.
        crop: Which part of the map, and on which grid.
        affine: Linear deformation.
        elastic: Non-linear deformation.
        flip_probability: Chance that left and right are exchanged.
        mixture: Intensities.
        bias_field: Slow brightness changes.
        clip: Largest intensity before normalisation; larger ones are cut to it, negative ones to 0.
        gamma_std: Standard deviation of the logarithm of the exponent applied to normalised
            intensities; 0 is off.
        acquisition: Resolution.
        image_gradients: Whether the image shows the size of the intensity's gradient instead.
        growth: Structures that swell or shrink, a group of settings for each, see below; none is
            off.
        lesions: Spots of another intensity within structures.
        stripping: Skull-stripped scans.
        field_of_view: Scans of a part of the head.

    References:
        Billot et al. 2023, doi:10.1016/j.media.2023.102789.
    """

    n_channels: int = 1
    map_weights: tuple[tuple[str, float], ...] = ()
    labels: LabelSettings = field(default_factory=LabelSettings)
    crop: Crop = field(default_factory=Crop)
    affine: Affine = field(default_factory=Affine)
    elastic: Elastic = field(default_factory=Elastic)
    flip_probability: float = 0.5
    mixture: Mixture = field(default_factory=Mixture)
    bias_field: BiasField = field(default_factory=BiasField)
    clip: float = 300.0
    gamma_std: float = 0.5
    acquisition: Acquisition = field(default_factory=Acquisition)
    image_gradients: bool = False
    growth: tuple[Growth, ...] = field(default=(), metadata=entries_or_off())
    lesions: Lesions = field(default_factory=Lesions)
    stripping: Stripping = field(default_factory=Stripping)
    field_of_view: FieldOfView = field(default_factory=FieldOfView)

    def __post_init__(self) -> None:
        """Refuses settings out of range, and those that contradict each other across groups.

        Raises:
            ConfigError: The message names the setting.
        """
        check_count("n_channels", self.n_channels)
        check_probability("flip_probability", self.flip_probability)
        check_positive("clip", self.clip)
        check_not_negative("gamma_std", self.gamma_std)
        check_not_negative("map_weights", *(weight for _, weight in self.map_weights))
        names = [name for name, _ in self.map_weights]
        if len(set(names)) != len(names):
            raise ConfigError(f"map_weights names a map twice: {', '.join(names)}.")
        self.acquisition.check_channels(self.n_channels)
        self._check_priors()
        self._check_growth()

    def _check_priors(self) -> None:
        if self.mixture.specific_choice != "channel":
            return
        for name in ("specific_means", "specific_stds"):
            count = len(getattr(self.mixture, name))
            if count not in (0, self.n_channels):
                raise ConfigError(
                    f"mixture.specific_choice is 'channel', but mixture.{name} has {count} priors "
                    f"for n_channels {self.n_channels}."
                )

    def _check_growth(self) -> None:
        named = [label for growth in self.growth for label in growth.labels]
        twice = sorted({label for label in named if named.count(label) > 1})
        if twice:
            raise ConfigError(
                f"growth names label {twice[0]} twice: a label grows by one distance, name it once."
            )


def generator_settings(
    values: Mapping[str, Any], base: GeneratorSettings | None = None
) -> GeneratorSettings:
    """Settings from the nested mapping that a YAML or JSON file holds, over those of `base`.

    Intervals are written `[low, high]`; one interval for three axes stands for all of them.

    Raises:
        ConfigError: A setting is unknown or unfit; the message names it.
    """
    return read_settings(base or GeneratorSettings(), values, "generator")
