"""Settings that change what the label table of a store says. Importing this loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from synthseg_common.errors import LabelTableError
from synthseg_common.labels import CONTRAST_SPECIFIC_CLASSES, GenerationLabels

from synthseg_generator.errors import ConfigError
from synthseg_generator.settings.short_forms import one_of


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """What to take from elsewhere than the label table of the store; `None` keeps the table's.

    All lists run in the order of the table's values.

    Attributes:
        values: Label values of the maps. The store holds them, so these only say what the other
            lists were written for: others, or another order, are refused.
        n_neutral: How many labels, from the start, have no side; as many as there are labels for
            flips that exchange nothing.
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
