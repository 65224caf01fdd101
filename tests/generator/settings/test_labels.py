from typing import Any

import pytest
from synthseg_common.labels import (
    CONTRAST_SPECIFIC_CLASSES,
    GENERATION_V1,
    GENERATION_V2,
    GenerationLabels,
)
from synthseg_generator.errors import ConfigError
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.settings.generator import (
    GeneratorSettings,
    LabelSettings,
    generator_settings,
)
from synthseg_generator.settings.labels import find_label_indices

TINY = GenerationLabels((0, 2, 41), 1, (0, 1, 2), (0, 2, 41))


def test_without_settings_the_table_of_the_store_holds() -> None:
    assert GeneratorSettings().labels.apply(GENERATION_V2) is GENERATION_V2


def test_classes_and_targets_take_the_place_of_the_table_s() -> None:
    labels = LabelSettings(classes=(0, 1, 1), targets=(0, 7, 8)).apply(TINY)
    assert (labels.classes, labels.targets, labels.values) == ((0, 1, 1), (0, 7, 8), TINY.values)


def test_applied_twice_they_are_applied_once() -> None:
    settings = LabelSettings(values=(0, 2, 41), n_neutral=3, targets=(0, 5, 5))
    once = settings.apply(TINY)
    assert settings.apply(once) == once


def test_only_neutral_labels_make_flips_exchange_nothing() -> None:
    assert LabelSettings(n_neutral=3).apply(TINY).flip_indices == (0, 1, 2)


def test_a_network_s_table_follows_the_targets() -> None:
    table = LABEL_TABLES["v2"]
    settings = LabelSettings(targets=GENERATION_V1.targets)
    assert table.segmentation_labels(settings) == LABEL_TABLES["v1"].segmentation_labels()


def test_a_file_names_the_classes_of_the_original() -> None:
    settings = generator_settings({"labels": {"classes": "contrast_specific"}})
    assert settings.labels.classes == CONTRAST_SPECIFIC_CLASSES
    assert settings.labels.apply(GENERATION_V2).n_classes == 25


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"values": (0, 41, 2)}, r"labels\.values"),
        ({"values": (0, 2)}, r"labels\.values"),
        ({"classes": (0, 1)}, r"labels\.classes.*2 entries, expected 3"),
        ({"classes": (0, 1, 3)}, r"labels\.classes.*without gaps"),
        ({"targets": (0, 2)}, r"labels\.targets.*2 entries"),
        ({"n_neutral": 2}, r"labels\.n_neutral.*even number"),
        ({"n_neutral": 0}, r"labels\.n_neutral"),
    ],
)
def test_lists_that_contradict_the_store_are_refused_by_name(
    changes: dict[str, Any],
    named: str,
) -> None:
    with pytest.raises(ConfigError, match=named):
        LabelSettings(**changes).apply(TINY)


def test_targets_that_contradict_each_other_across_the_midline_are_refused() -> None:
    pairs = GenerationLabels((0, 2, 3, 41, 42), 1, (0, 1, 2, 3, 4), (0, 2, 3, 41, 42))
    with pytest.raises(ConfigError, match=r"labels\.targets.*paired with both"):
        LabelSettings(targets=(0, 2, 2, 41, 42)).apply(pairs)


def test_label_values_are_found_in_a_table() -> None:
    assert find_label_indices("growth.labels", (41, 0), TINY) == (2, 0)
    with pytest.raises(ConfigError, match=r"growth\.labels: .* has no label 7"):
        find_label_indices("growth.labels", (41, 7), TINY)
