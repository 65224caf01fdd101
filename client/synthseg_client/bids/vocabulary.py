"""What BIDS calls things, from its schema as `bidsschematools` ships it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from synthseg_client.errors import UsageError


@dataclass(frozen=True)
class Vocabulary:
    """The names that files may have.

    Attributes:
        keys: Entities as names have them (`sub`, `ses`, ...), in their order.
        long_names: The same as JSON files of filters have them (`subject`, ...), by key.
        indices: Those whose values are numbers: `run-1` is `run-01`.
        of_segmentations: Those that a label map may have.
        of_probabilities: Those that probability maps may have.
        suffixes: Of all anatomical images.
    """

    keys: tuple[str, ...]
    long_names: Mapping[str, str]
    indices: frozenset[str]
    of_segmentations: frozenset[str]
    of_probabilities: frozenset[str]
    suffixes: frozenset[str]

    def key_of(self, name: str) -> str | None:
        """The entity that a key or a long name stands for."""
        if name in self.long_names:
            return name
        return next((key for key, long in self.long_names.items() if long == name), None)


@cache
def vocabulary() -> Vocabulary:
    """The words of the schema; read once.

    Raises:
        UsageError: The extra is not installed.
    """
    try:
        from bidsschematools.schema import load_schema
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed, which `bids` needs: "
            "pip install 'synthseg-serving[bids]'."
        ) from error
    schema = load_schema()
    entities = schema.objects.entities
    derived = schema.rules.files.deriv.imaging
    keys = {long: str(entities[long].name) for long in schema.rules.entities}
    return Vocabulary(
        keys=tuple(keys.values()),
        long_names={key: long for long, key in keys.items()},
        indices=frozenset(key for long, key in keys.items() if entities[long].format == "index"),
        of_segmentations=frozenset(keys[n] for n in derived.anat_discrete_segmentation.entities),
        of_probabilities=frozenset(
            keys[n] for n in derived.anat_probabilistic_segmentation.entities
        ),
        suffixes=frozenset(
            suffix for rule in schema.rules.files.raw.anat.values() for suffix in rule.suffixes
        ),
    )
