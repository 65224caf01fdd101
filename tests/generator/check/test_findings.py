"""What a map holds of each label, and where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from synthseg_generator.check.findings import list_pairs, name_label, summarise
from synthseg_generator.label_table import LABEL_TABLES, LabelTable
from synthseg_generator.store.label_store import LabelStore


def labels_of(store: LabelStore, name: str) -> NDArray[np.int64]:
    return np.array(store.labels.values)[store.load(name)]


def test_a_summary_counts_and_places_every_label(store: LabelStore) -> None:
    summary, labels = summarise(store, "bob"), labels_of(store, "bob")
    for index, value in enumerate(store.labels.values):
        assert summary.counts[index] == (labels == value).sum()
    index = store.labels.values.index(17)
    np.testing.assert_allclose(summary.centroids[index], np.argwhere(labels == 17).mean(axis=0))
    absent = summary.counts == 0
    assert absent.any()
    assert np.isnan(summary.centroids[absent]).all()
    assert not summary.astray.any()


def test_pairs_are_of_sided_labels_left_first(store: LabelStore) -> None:
    pairs = [(store.labels.values[i], store.labels.values[j]) for i, j in list_pairs(store.labels)]
    assert (2, 41) in pairs
    assert not any(24 in pair for pair in pairs)


def test_labels_of_brains_have_the_released_names_and_others_their_own() -> None:
    assert name_label(LABEL_TABLES["v2"], 17) == "17 (left hippocampus)"
    other = LabelTable(LABEL_TABLES["v2"].labels, {2: "liver"}, anatomy="abdomen")
    assert [name_label(other, value) for value in (2, 17)] == ["2 (liver)", "17"]
