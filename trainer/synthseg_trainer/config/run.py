"""One training run: network, stages, optimizer, validation, checkpoints. Loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from synthseg_generator.settings.generator import GeneratorSettings
from synthseg_generator.settings.scans import ScanNoise

from synthseg_trainer.config.devices import Devices, check_devices
from synthseg_trainer.config.network import NetworkSettings
from synthseg_trainer.config.stage import Stage
from synthseg_trainer.errors import ConfigError

OPTIMIZERS = ("adam", "muon")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True, kw_only=True)
class AdamSettings:
    """Numbers of Adam; the defaults are the original's.

    Attributes:
        beta_1: Decay of the running mean of gradients.
        beta_2: Decay of the running mean of squared gradients.
        epsilon: Added to the square root of that second mean, by which steps are divided.
        weight_decay: Weight decay of kernels (AdamW), multiplied by the learning rate; biases and
            normalisations have none.
        clip_norm: Largest norm of the gradient of all weights; larger gradients are scaled down to
            it. `None` for no limit.

    References:
        Kingma and Ba 2015, arXiv:1412.6980; Loshchilov and Hutter 2019, arXiv:1711.05101.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        """Refuses numbers out of range.

        Raises:
            ConfigError: A decay outside [0, 1), or a number of the wrong sign.
        """
        for name in ("beta_1", "beta_2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(
                    f"adam.{name} must lie between 0 and 1, 1 excluded, got {getattr(self, name)}."
                )
        if self.epsilon <= 0:
            raise ConfigError(f"adam.epsilon must be positive, got {self.epsilon}.")
        if self.weight_decay < 0:
            raise ConfigError(f"adam.weight_decay must not be negative, got {self.weight_decay}.")
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ConfigError(f"adam.clip_norm must be positive, got {self.clip_norm}.")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Scores on synthetic scans of maps that are kept out of training.

    Attributes:
        maps: Names of those maps in the store; none for no validation.
        every_steps: Optimizer steps between two validations.
        samples: Scans per validation, always the same ones.
        seed: Seed of these scans; at least 0.
        generator: Generative model of these scans.
    """

    maps: tuple[str, ...] = ()
    every_steps: int = 500
    samples: int = 4
    seed: int = 1000
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)

    def __post_init__(self) -> None:
        """Refuses numbers out of range.

        Raises:
            ConfigError: A count is below 1, or the seed below 0.
        """
        for name, least in (("every_steps", 1), ("samples", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"validation.{name} must be at least {least}, got {getattr(self, name)}."
                )


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """Training on the scans that lie beside the label maps, instead of on synthetic ones.

    The `generator` of stages and validation then says how scans are augmented; its mixture of
    Gaussians is not used.

    Attributes:
        enabled: Whether to train on scans.
        noise: Noise added to the scans.
    """

    enabled: bool = False
    noise: ScanNoise = field(default_factory=ScanNoise)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One training run.

    Attributes:
        store: The label store.
        seed: Seed of the samples and of the initial weights; 0 to 2³² - 1, the range of NumPy's
            seeds.
        batch_size: Samples per optimizer step, over all devices; step s takes samples
            s·batch_size to (s + 1)·batch_size - 1 of the stream, whatever the devices.
        accumulate_steps: Number of passes into which each device divides its share of a batch, to
            use less memory. The gradient is that of the whole batch, except that batch
            normalisation takes its statistics from each pass, over all devices, and updates its
            moving statistics in each.
        precision: Keras dtype policy; `mixed_bfloat16` computes with 16 bits and keeps weights in
            float32.
        network: Shape of the network; its labels follow from the store.
        initial_weights: Run, checkpoint, bundle or weights from Keras (`.weights.h5`) to start from
            instead of random weights. Their network must be the same, except that this one may be
            wider (`features`, `max_features`, `detail_features`) and then starts with its answers,
            and that labels may differ: then the last layer starts from random weights.
        scored_subvoxels: With a stem, how many sub-voxels of each block the loss takes, drawn anew
            for every sample: the loss costs as much as the network, and neighbours teach nearly the
            same. `None` for all.
        stages: What is trained, in order.
        optimizer: `adam` as in the original, or `muon`, which makes steps along a kernel's singular
            directions equally long and learns more per step; Muon leaves the last layer, and what
            is no kernel, to Adam.
        adam: Numbers of Adam; weight decay and clipping apply to both optimizers.
        average_decay: Decay per step of a moving average of the weights, which checkpoints and
            validation then take; `None` takes the current weights.
        validation: Scores while training.
        checkpoint_steps: Steps between checkpoints.
        keep_checkpoints: How many of the newest checkpoints to keep on disk; `None` keeps all.
        keep_every_steps: Also keep every checkpoint whose step is a multiple of this; `None` keeps
            only the newest.
        log_steps: Steps between two entries in TensorBoard.
        supervised: Training on scans.
        devices: The devices that the run is for.
    """

    store: str
    seed: int = 1
    batch_size: int = 1
    accumulate_steps: int = 1
    precision: str = "float32"
    network: NetworkSettings
    initial_weights: str | None = None
    scored_subvoxels: int | None = None
    stages: tuple[Stage, ...]
    optimizer: str = "adam"
    adam: AdamSettings = field(default_factory=AdamSettings)
    average_decay: float | None = None
    validation: Validation = field(default_factory=Validation)
    checkpoint_steps: int = 500
    keep_checkpoints: int | None = 3
    keep_every_steps: int | None = None
    log_steps: int = 10
    supervised: Supervised = field(default_factory=Supervised)
    devices: Devices = field(default_factory=Devices)

    def __post_init__(self) -> None:
        """Refuses a run that cannot start.

        Raises:
            ConfigError: No stage, a number out of range, an unknown precision or optimizer, a stage
                that does not fit the network, or a batch that does not fit the devices.
        """
        if not self.stages:
            raise ConfigError("stages: a run needs at least one.")
        self._check_counts()
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision must be {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, "
                f"got {self.precision!r}."
            )
        if self.optimizer not in OPTIMIZERS:
            raise ConfigError(
                f"optimizer must be {' or '.join(OPTIMIZERS)}, got {self.optimizer!r}."
            )
        if self.average_decay is not None and not 0 < self.average_decay < 1:
            raise ConfigError(f"average_decay must lie between 0 and 1, got {self.average_decay}.")
        most = self.network.stem**3
        if self.scored_subvoxels is not None and not 1 <= self.scored_subvoxels <= most:
            raise ConfigError(
                f"scored_subvoxels must lie between 1 and {most}, got {self.scored_subvoxels}."
            )
        for stage in self.stages:
            self._check_weights(stage)
        for name, generator in self._generators():
            self._check_generator(name, generator)
        check_devices(self)

    def _check_counts(self) -> None:
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ConfigError(f"seed must lie between 0 and {_LARGEST_SEED}, got {self.seed}.")
        for name in ("batch_size", "accumulate_steps", "checkpoint_steps", "log_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("keep_checkpoints", "keep_every_steps"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, or null, got {getattr(self, name)}.")
        if self.batch_size % self.accumulate_steps:
            raise ConfigError(
                f"batch_size {self.batch_size} cannot be taken in {self.accumulate_steps} passes "
                "(accumulate_steps)."
            )

    def _check_weights(self, stage: Stage) -> None:
        classes = stage.weights.classes
        if classes is not None and len(classes) != self.network.n_labels:
            raise ConfigError(
                f"stage {stage.name}: {len(classes)} weights.classes, but the network has "
                f"{self.network.n_labels} labels, background included."
            )

    def _check_generator(self, name: str, generator: GeneratorSettings) -> None:
        multiple = self.network.size_multiple
        if not generator.crop.fits(multiple):
            raise ConfigError(
                f"{name}: the sides of crop.shape {generator.crop.shape}, or crop.multiple of a "
                f"whole map, must be multiples of {multiple} for this network."
            )
        wanted = self.stages[0].generator.labels
        if (generator.labels.targets, generator.labels.n_neutral) != (
            wanted.targets,
            wanted.n_neutral,
        ):
            raise ConfigError(
                f"{name}: labels.targets and labels.n_neutral must be those of the first stage: "
                "the network's channels stand for one list of labels."
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
