"""What tests of graphs share."""

import pytest
from generator_fixtures import MakeHead
from small_graphs import head_ids
from synthseg_common.arrays import UInt8Array


@pytest.fixture(scope="session")
def ids(make_head: MakeHead) -> UInt8Array:
    """A head as indices into the table of labels, `[48, 56, 52]`; not to be written to."""
    return head_ids(make_head)
