from __future__ import annotations

import numpy as np
import pytest
from network_answers import answer_of
from synthseg_client.answers.evidence import read_evidence
from synthseg_client.errors import AnswerError
from synthseg_common import contract
from synthseg_common.arrays import AnyArray


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (contract.FOREGROUND, np.zeros(5, np.uint8)),
        (contract.OFFSET, np.array([20, 0, 0], np.int32)),
        (contract.NETWORK_SHAPE, np.array([32, 32], np.int32)),
        (contract.POSTERIORS, np.zeros((3, 2), np.float16)),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(name: str, value: AnyArray) -> None:
    posteriors = np.full((32, 32, 32, 2), 0.5, np.float32)
    answer = answer_of(posteriors, (20, 20, 20), (6, 6, 6), [0, 1], dense=True)
    with pytest.raises(AnswerError):
        read_evidence({**answer, name: value}, (20, 20, 20), 2)


def test_a_grid_that_the_foreground_does_not_cover_is_refused_whatever_its_product() -> None:
    """2^22 · 2^21 · 2^21 is 0 in 64 bits."""
    answer: dict[str, AnyArray] = {
        contract.NETWORK_SHAPE: np.array([2**22, 2**21, 2**21], np.int32),
        contract.OFFSET: np.zeros(3, np.int32),
        contract.FOREGROUND: np.zeros(0, np.uint8),
        contract.POSTERIORS: np.zeros((0, 2), np.float16),
    }
    with pytest.raises(AnswerError, match="does not fit a network grid"):
        read_evidence(answer, (20, 20, 20), 2)


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    posteriors = np.full((32, 32, 32, 2), 0.5, np.float32)
    answer = answer_of(posteriors, (32, 32, 32), (0, 0, 0), [0, 1], dense=True)
    answer[contract.POSTERIORS][5, 1] = np.nan
    with pytest.raises(AnswerError, match="between 0 and 1"):
        read_evidence(answer, (32, 32, 32), 2)
