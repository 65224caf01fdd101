"""Settings of network and training. Importing this module loads nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from synthseg_generator.config import GeneratorSettings, generator_settings, read_settings
from synthseg_generator.labels import SegmentationLabels
from synthseg_generator.settings_file import read_yaml

from synthseg_trainer.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Shape of the U-Net; the defaults are the released models'.

    Attributes:
        n_labels: Channels answered, background included.
        n_channels: Channels of the image.
        n_levels: Resolutions, each half the one above.
        convs_per_level: Convolutions at each resolution, on the way down and on the way up.
        features: Feature maps of the first level; each level doubles them.
        max_features: Bound on that doubling; `None` for no bound.
        kernel_size: Edge of the convolution kernels in voxels.
        stem: Edge in voxels of the blocks folded into channels before the first level: with 2 the
            network works at half the resolution and answers the 8 sub-voxels of every block; 1 is
            the original.
        activation: Name of the activation.
        normalization: `batch` as in the released models, which needs long training before the
            moving statistics serve every contrast, or `instance`, which uses those of the scan at
            hand.
    """

    n_labels: int
    n_channels: int = 1
    n_levels: int = 5
    convs_per_level: int = 2
    features: int = 24
    max_features: int | None = None
    kernel_size: int = 3
    stem: int = 1
    activation: str = "elu"
    normalization: Literal["batch", "instance"] = "batch"

    def __post_init__(self) -> None:
        """Refuses numbers that make no network.

        Raises:
            ConfigError: A number is out of its range.
        """
        least = {
            "n_labels": 2,
            "n_channels": 1,
            "n_levels": 2,
            "convs_per_level": 1,
            "features": 1,
            "stem": 1,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ConfigError(
                    f"network.{name} must be at least {low}, got {getattr(self, name)}."
                )
        if self.normalization not in ("batch", "instance"):
            raise ConfigError(
                f"network.normalization must be 'batch' or 'instance', got {self.normalization!r}."
            )
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"network.kernel_size must be odd, got {self.kernel_size}.")

    @property
    def size_multiple(self) -> int:
        """Image axes must be multiples of this, in voxels."""
        return self.stem * 2 ** (self.n_levels - 1)

    def features_at(self, level: int) -> int:
        """Feature maps of a level, 0 the finest."""
        features = self.features * 2**level
        return features if self.max_features is None else min(features, self.max_features)


LOSS_NAMES = ("wl2", "dice", "cross_entropy", "dice_cross_entropy")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of training with one loss and one generative model.

    Attributes:
        name: For logs.
        steps: Optimizer steps of this stage.
        loss: One of `LOSS_NAMES`.
        learning_rate: Adam's rate at the first step of the stage.
        final_learning_rate: Rate at its last step, reached along a cosine; `None` keeps it
            constant.
        generator: The generative model, whole.
    """

    name: str
    steps: int
    loss: str = "dice"
    learning_rate: float = 1e-4
    final_learning_rate: float | None = None
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)

    def __post_init__(self) -> None:
        """Refuses a stage that cannot be trained.

        Raises:
            ConfigError: No steps, an unknown loss, or a rate that is not positive.
        """
        if self.steps < 1:
            raise ConfigError(f"stage {self.name}: steps must be at least 1, got {self.steps}.")
        if self.loss not in LOSS_NAMES:
            raise ConfigError(
                f"stage {self.name}: loss must be one of {', '.join(LOSS_NAMES)}, "
                f"got {self.loss!r}."
            )
        if self.learning_rate <= 0 or (
            self.final_learning_rate is not None and self.final_learning_rate <= 0
        ):
            raise ConfigError(f"stage {self.name}: learning rates must be positive.")

    def learning_rate_at(self, step: int) -> float:
        """Rate at a step of the stage, 0 the first."""
        if self.final_learning_rate is None or self.steps == 1:
            return self.learning_rate
        share = 0.5 * (1 + math.cos(math.pi * min(step / (self.steps - 1), 1.0)))
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * share


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Scores on synthetic scans of maps that are kept out of training.

    Attributes:
        maps: Names of those maps in the store; none for no validation.
        every_steps: Steps between scores.
        samples: Scans per score, always the same ones.
        seed: Names their stream.
        generator: Their generative model.
    """

    maps: tuple[str, ...] = ()
    every_steps: int = 500
    samples: int = 4
    seed: int = 1000
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One training run.

    Attributes:
        store: The label store.
        seed: Names the stream of samples and the initial weights.
        batch_size: Samples per step, over all devices.
        precision: Keras dtype policy; `mixed_bfloat16` computes in half the width and keeps float32
            weights.
        network: Shape of the network; its labels follow from the store.
        scored_subvoxels: With a stem, how many of the sub-voxels of each block the loss looks at,
            drawn anew for every step: neighbours teach much the same, and the loss costs as much as
            the network; `None` for all.
        stages: What is trained, in order.
        validation: Scores while training.
        checkpoint_steps: Steps between checkpoints.
        keep_checkpoints: How many stay on disk.
        log_steps: Steps between TensorBoard scalars.
    """

    store: str
    seed: int = 1
    batch_size: int = 1
    precision: str = "float32"
    network: NetworkSettings
    scored_subvoxels: int | None = None
    stages: tuple[Stage, ...]
    validation: Validation = field(default_factory=Validation)
    checkpoint_steps: int = 500
    keep_checkpoints: int = 3
    log_steps: int = 10

    def __post_init__(self) -> None:
        """Refuses a run that cannot start.

        Raises:
            ConfigError: No stage, a count below 1, an unknown precision, or a crop that does not
                fit the network.
        """
        if not self.stages:
            raise ConfigError("stages: a run needs at least one.")
        for name in ("batch_size", "checkpoint_steps", "keep_checkpoints", "log_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.precision not in ("float32", "mixed_bfloat16", "mixed_float16"):
            raise ConfigError(
                "precision must be float32, mixed_bfloat16 or mixed_float16, "
                f"got {self.precision!r}."
            )
        most = self.network.stem**3
        if self.scored_subvoxels is not None and not 1 <= self.scored_subvoxels <= most:
            raise ConfigError(
                f"scored_subvoxels must lie between 1 and {most}, got {self.scored_subvoxels}."
            )
        multiple = self.network.size_multiple
        for name, generator in self._generators():
            if any(side % multiple for side in generator.crop.shape):
                raise ConfigError(
                    f"{name}: crop.shape {generator.crop.shape} must be multiples of {multiple} "
                    "for this network."
                )
            if generator.n_channels != self.network.n_channels:
                raise ConfigError(
                    f"{name}: {generator.n_channels} channels, "
                    f"but the network takes {self.network.n_channels}."
                )

    def _generators(self) -> list[tuple[str, GeneratorSettings]]:
        named = [(f"stage {stage.name}", stage.generator) for stage in self.stages]
        return (
            [*named, ("validation", self.validation.generator)] if self.validation.maps else named
        )

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[int, int]:
        """Index of the stage that a step belongs to, and the step within it."""
        for index, stage in enumerate(self.stages):
            if step < stage.steps:
                return index, step
            step -= stage.steps
        raise ConfigError(f"step {step} lies beyond the last stage.")


def load_settings(path: Path, *, store: str | None = None) -> TrainSettings:
    """Reads a run from a YAML or JSON file.

    Groups: `store, seed, batch_size, precision, network, generator, stages, validation,
        checkpoint_steps,
    keep_checkpoints, log_steps`. `generator` is what all stages start from; a stage's own
    `generator` changes it for this stage and those after it. `network.n_labels` is that of the
    store unless given.

    Args:
        path: The file, or the name of a recipe that ships with the package.
        store: Label store, over that of the file.

    Raises:
        ConfigError: The file is missing, cannot be read, or holds an unknown or unfit setting.
        GeneratorError: The store cannot be opened.
    """
    values = read_yaml(_recipe_or_file(path))
    values["store"] = str(store or values.get("store") or "")
    if not values["store"]:
        raise ConfigError(f"{path} names no label store: add `store: STORE.zarr` or pass --store.")
    unknown = sorted(set(values) - {f.name for f in fields(TrainSettings)} - {"generator"})
    if unknown:
        raise ConfigError(f"{path}: unknown setting {unknown[0]}.")
    common = generator_settings(values.pop("generator", {}))
    network = {"n_labels": len(output_labels_of(values["store"])), **values.pop("network", {})}
    stages = _read_stages(values.pop("stages", []), common)
    validation = _read_validation(
        values.pop("validation", {}), stages[-1].generator if stages else common
    )
    base = TrainSettings(
        store=values["store"],
        network=read_settings(NetworkSettings(n_labels=2), network, "network"),
        stages=stages,
        validation=validation,
    )
    return read_settings(base, values, str(path.name))


def output_labels_of(store: str) -> SegmentationLabels:
    """Table of the channels of a network trained on this store.

    Raises:
        GeneratorError: The store cannot be opened.
    """
    from synthseg_generator.store import open_store

    return open_store(store).table.segmentation_labels()


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.yaml"))


_RECIPES = Path(__file__).parent / "recipes"


def _recipe_or_file(path: Path) -> Path:
    recipe = _RECIPES / f"{path}.yaml"
    if path.exists():
        return path
    if recipe.exists():
        return recipe
    known = ", ".join(recipe_names())
    raise ConfigError(f"{path}: no such file, nor a recipe; recipes are {known}.")


def _read_stages(entries: Any, generator: GeneratorSettings) -> tuple[Stage, ...]:
    if not isinstance(entries, list):
        raise ConfigError(f"stages must be a list, got {type(entries).__name__}.")
    stages = []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or "steps" not in entry:
            raise ConfigError(f"stages[{number}] needs at least `steps`, got {entry!r}.")
        values = dict(entry)
        generator = generator_settings(values.pop("generator", {}), generator)
        base = Stage(name=f"stage {number + 1}", steps=1, generator=generator)
        stages.append(read_settings(base, values, f"stages[{number}]"))
    return tuple(stages)


def _read_validation(values: Any, generator: GeneratorSettings) -> Validation:
    if not isinstance(values, dict):
        raise ConfigError(f"validation must be a group of settings, got {values!r}.")
    values = dict(values)
    own = generator_settings(values.pop("generator", {}), generator)
    return read_settings(Validation(generator=own), values, "validation")
