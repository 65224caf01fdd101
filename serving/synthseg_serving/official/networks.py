"""Which networks the original released, and how each is recognised. Imports nothing heavy.

Layer names and shapes are those of SynthSeg 1.0 and 2.0 (Billot et al. 2023,
doi:10.1016/j.media.2023.102789 and doi:10.1073/pnas.2216399120).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from synthseg_common import contract
from synthseg_common.labels import SYNTHSEG_V1, SYNTHSEG_V2, SegmentationLabels
from synthseg_common.official_weights import FILES
from synthseg_common.parcels import PARCELS, QUALITY_GROUPS
from synthseg_trainer.aliases import FloatArray, Weights
from synthseg_trainer.config import NetworkSettings

from synthseg_serving.official.denoiser import DENOISER, merges_deep_levels
from synthseg_serving.official.quality_weights import quality_shapes
from synthseg_serving.variables import Merges, at_every_level, variable_shapes

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of a variable by `<layer>/<variable>`."""
_OUR_PREFIX = "unet_"


@dataclass(frozen=True)
class Part:
    """One U-Net in a file.

    Attributes:
        prefix: What its layers' names start with, as `unet2_`.
        network: Its shape.
        merges: At which levels it has skip connections.
    """

    prefix: str
    network: NetworkSettings
    merges: Merges = at_every_level

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """By the names in the file."""
        ours = variable_shapes(self.network, self.merges)
        return {self.prefix + name.removeprefix(_OUR_PREFIX): s for name, s in ours.items()}

    def weights(self, found: Weights) -> dict[str, FloatArray]:
        """The part's own arrays out of a file's, by the names of our network."""
        return {_OUR_PREFIX + name.removeprefix(self.prefix): found[name] for name in self.shapes()}


@dataclass(frozen=True)
class OfficialNetwork:
    """A file of weights that the original's authors released.

    Attributes:
        key: Short name, as in messages.
        served_name: Name under which it is served.
        title: What it is.
        sha256: Of the released file; empty if it is not known.
        parts: The U-Nets in it; none for the regressor of quality scores.
        labels: What it answers.
    """

    key: str
    served_name: str
    title: str
    labels: SegmentationLabels
    sha256: str = ""
    parts: tuple[Part, ...] = field(default=())

    @property
    def file(self) -> str:
        """Its name in `$FREESURFER_HOME/models`."""
        return FILES[self.served_name]

    @cached_property
    def shapes(self) -> Shapes:
        """Of every variable that the file must hold."""
        if not self.parts:
            return quality_shapes()
        return {name: shape for part in self.parts for name, shape in part.shapes().items()}

    @cached_property
    def layers(self) -> frozenset[str]:
        """Names of the layers that have weights."""
        return frozenset(name.split("/")[0] for name in self.shapes)


V1 = OfficialNetwork(
    "1.0",
    contract.V1_MODEL_NAME,
    "SynthSeg 1.0",
    SYNTHSEG_V1,
    parts=(Part("unet_", NetworkSettings(n_labels=len(SYNTHSEG_V1))),),
)
V2 = OfficialNetwork(
    "2.0",
    contract.MODEL_NAME,
    "SynthSeg 2.0",
    SYNTHSEG_V2,
    "f190bfd742f450ef3ca2c9df9ed4d2e0232b3a74471da5e51b7770bacdf80c3e",
    (Part("unet_", NetworkSettings(n_labels=len(SYNTHSEG_V2))),),
)
ROBUST = OfficialNetwork(
    "robust",
    contract.ROBUST_MODEL_NAME,
    "SynthSeg-robust 2.0",
    SYNTHSEG_V2,
    "7bc30bf5c3d204f20c4a6cb5a283aedbcab6af1de927cda783f59b67d19cb01c",
    (
        Part("unet_", NetworkSettings(n_labels=DENOISER.n_labels)),
        Part("l2l_", DENOISER, merges_deep_levels),
        Part(
            "unet2_",
            NetworkSettings(n_labels=len(SYNTHSEG_V2), n_channels=1 + DENOISER.n_labels),
        ),
    ),
)
PARCELLATION = OfficialNetwork(
    "parcels",
    contract.PARCELS_MODEL_NAME,
    "SynthSeg 2.0's cortical parcellation",
    PARCELS,
    "83bb1de76fb6f173c6dacacd433f81209fc6abb1dbc179a930ec06ecabbeb684",
    (Part("unet_parc_", NetworkSettings(n_labels=len(PARCELS), n_channels=3)),),
)
QUALITY = OfficialNetwork(
    "quality",
    contract.QUALITY_MODEL_NAME,
    "SynthSeg 2.0's quality scores",
    QUALITY_GROUPS,
    "fb92e37daa0842bdd8a03bc06a3b36b0d38810e31c714659cedd09119c0abfb7",
)
NETWORKS = (V2, ROBUST, PARCELLATION, QUALITY, V1)
"""All that can be imported."""


def recognise(found: Shapes) -> OfficialNetwork | None:
    """The network whose layers a file holds, or most of them; None if it is none of them.

    Args:
        found: What the file holds.
    """
    layers = {name.split("/")[0] for name in found}
    # Not the first that is whole: the robust file holds all layer names of a plain one, too.
    alike = {n: len(n.layers & layers) / len(n.layers | layers) for n in NETWORKS}
    nearest = [n for n in NETWORKS if alike[n] == max(alike.values()) > _ALIKE]
    candidates = nearest or [n for n in NETWORKS if n.layers <= layers]
    # SynthSeg 1.0 and 2.0 differ in their labels alone.
    answered = found.get("unet_likelihood/bias")
    fitting = [n for n in candidates if n.shapes.get("unet_likelihood/bias") == answered]
    return next(iter(fitting or candidates), None)


_ALIKE = 0.5
