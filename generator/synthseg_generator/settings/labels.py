"""Settings that change what the label table of a store says. Importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from synthseg_common.errors import LabelTableError
from synthseg_common.labels import CONTRAST_SPECIFIC_CLASSES, GenerationLabels

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.short_forms import one_of


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """What replaces parts of the store's label table; `None` keeps the table's.

    All lists run in the order of the table's values.

    Attributes:
        values: Label values of the maps, for which the other lists were written. They must be those
            of the store, in the same order.
        n_neutral: How many labels at the start of the list belong to no side. If all of them do,
            flips exchange no labels.
        classes: Intensity class of each label; in a settings file also `contrast_specific`, the
            original's tissue classes for its own label list.
        targets: Value that the network shall answer for each label; 0 hides it in the background.
    """

    values: tuple[int, ...] | None = None
    n_neutral: int | None = None
    classes: tuple[int, ...] | None = field(
        default=None, metadata=one_of({"contrast_specific": CONTRAST_SPECIFIC_CLASSES})
    )
    targets: tuple[int, ...] | None = None

    def apply(self, labels: GenerationLabels) -> GenerationLabels:
        """The labels of a store with these settings over them.

        Raises:
            ConfigError: The settings contradict the store or each other; the message names the
                setting.
        """
        if self.values is not None and self.values != labels.values:
            raise ConfigError(
                f"labels.values {self.values} are not those of the store, {labels.values}: "
                "leave them out, or ingest the maps with a table of these."
            )
        changes = {
            name: getattr(self, name)
            for name in ("n_neutral", "classes", "targets")
            if getattr(self, name) is not None
        }
        if not changes:
            return labels
        try:
            changed = replace(labels, **changes)
            changed.segmentation_labels()  # contradictions across the midline show here
        except LabelTableError as error:
            named = ", ".join(f"labels.{name}" for name in changes)
            raise ConfigError(f"{named}: {error}") from error
        return changed


def find_label_indices(
    setting: str, values: Sequence[int], labels: GenerationLabels
) -> tuple[int, ...]:
    """Where label values stand in a table.

    Args:
        setting: Name of the setting that holds the values, for the error.
        values: Label values of the maps.
        labels: The table.

    Raises:
        ConfigError: The table has no such label.
    """
    missing = sorted(set(values) - set(labels.values))
    if missing:
        raise ConfigError(f"{setting}: the label maps' table has no label {missing[0]}.")
    return tuple(labels.values.index(value) for value in values)
