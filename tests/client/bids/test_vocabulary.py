from __future__ import annotations

import sys

import pytest
from synthseg_client.bids.vocabulary import vocabulary
from synthseg_client.errors import UsageError


def test_segmentation_stands_before_resolution_and_description() -> None:
    keys = vocabulary().keys
    order = [keys.index(key) for key in ("sub", "ses", "acq", "run", "space", "seg", "res", "desc")]
    assert order == sorted(order)


def test_entities_have_a_key_and_a_long_name() -> None:
    assert vocabulary().key_of("acquisition") == vocabulary().key_of("acq") == "acq"
    assert vocabulary().key_of("flavour") is None


def test_label_maps_know_no_inversion_and_anatomy_has_its_suffixes() -> None:
    words = vocabulary()
    assert {"ses", "run", "desc"} <= words.of_segmentations
    assert "inv" not in words.of_segmentations
    assert {"T1w", "FLAIR", "UNIT1", "inplaneT2"} <= words.suffixes


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary.cache_clear()
    monkeypatch.setitem(sys.modules, "bidsschematools.schema", None)
    with pytest.raises(UsageError, match=r"pip install 'synthseg-serving\[bids\]'"):
        vocabulary()
