"""Names of BIDS files: read, and put together in the order that the schema asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from synthseg_client.bids.vocabulary import vocabulary

IMAGE_ENDINGS = (".nii.gz", ".nii")
PLAIN_SUFFIX = "T1w"
"""Of scans whose derivatives are named after their entities alone; others have it in `desc`."""


@dataclass(frozen=True)
class BidsName:
    """The name of a file.

    Attributes:
        entities: Pairs of key and value as the name has them.
        suffix: What kind of image it is: `T1w`, `dseg`, ...
        ending: From the first full stop on.
    """

    entities: tuple[tuple[str, str], ...]
    suffix: str
    ending: str

    def __str__(self) -> str:
        return "_".join([*("-".join(pair) for pair in self.entities), self.suffix]) + self.ending

    def value(self, key: str) -> str | None:
        """What the name says of an entity."""
        return dict(self.entities).get(key)

    @property
    def is_image(self) -> bool:
        """Whether it is a NIfTI file by its ending."""
        return self.ending in IMAGE_ENDINGS

    def covers(self, other: BidsName) -> bool:
        """Whether a JSON file of this name tells about an image of the other."""
        return self.suffix == other.suffix and set(self.entities) <= set(other.entities)


def parse_name(name: str) -> BidsName | None:
    """A file's name in parts; None if it is no BIDS name."""
    stem, dot, ending = name.partition(".")
    *pairs, suffix = stem.split("_")
    entities = tuple((key, value) for key, _, value in (pair.partition("-") for pair in pairs))
    if not pairs or not suffix or "-" in suffix or not all(k and v for k, v in entities):
        return None
    if len({key for key, _ in entities}) < len(entities):
        return None
    return BidsName(entities, suffix, dot + ending)


def derived_name(source: BidsName, suffix: str, allowed: Iterable[str], **added: str) -> BidsName:
    """The name of a derivative: the scan's entities and some more, in the schema's order.

    What a derivative may not say in entities stands in `desc`: the scan's suffix unless it is the
    plain one, and entities that are not allowed. So scans that only these tell apart have
    derivatives of different names, whichever others there are.

    Args:
        source: The scan's name.
        suffix: The derivative's.
        allowed: Entities that it may have.
        added: Values of further entities.
    """
    known = set(allowed)
    kept = {key: value for key, value in source.entities if key in known and key != "desc"}
    told = [] if source.suffix in (PLAIN_SUFFIX, suffix) else [source.suffix]
    told += [key + value for key, value in source.entities if key not in kept]
    entities = {**kept, **added, **({"desc": "".join(told)} if told else {})}
    order = {key: place for place, key in enumerate(vocabulary().keys)}
    pairs = sorted(entities.items(), key=lambda pair: order[pair[0]])
    return BidsName(tuple(pairs), suffix, IMAGE_ENDINGS[0])
