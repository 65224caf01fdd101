"""What is set before TensorFlow is imported."""

import os

import pytest
from synthseg_trainer.startup import quieten_tensorflow

NAMES = ("TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL")


def test_what_a_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "0")
    quieten_tensorflow()
    assert [os.environ[name] for name in NAMES] == ["0", "0"]


def test_fast_convolutions_and_few_words_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    quieten_tensorflow()
    assert [os.environ[name] for name in NAMES] == ["1", "2"]
