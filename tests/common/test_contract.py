import pytest
from synthseg_common import contract


@pytest.mark.parametrize(
    ("shape", "least", "grid"),
    [
        ((1, 129, 160), (128, 128, 128), (128, 160, 160)),
        ((33, 32, 31), (1, 1, 1), (64, 32, 32)),
    ],
)
def test_the_network_s_grid_is_a_whole_number_of_blocks(
    shape: tuple[int, int, int], least: tuple[int, int, int], grid: tuple[int, int, int]
) -> None:
    assert contract.network_grid(shape, least) == grid


def test_a_grid_that_is_short_along_x_counts_as_longer() -> None:
    assert contract.counted_voxels((32, 64, 64)) == 128 * 64 * 64
    assert contract.counted_voxels((160, 64, 64)) == 160 * 64 * 64


@pytest.mark.parametrize(
    ("info", "brain"), [({}, True), ({"anatomy": "brain"}, True), ({"anatomy": "abdomen"}, False)]
)
def test_a_model_that_says_nothing_of_its_anatomy_is_of_brains(
    info: dict[str, object], brain: bool
) -> None:
    assert contract.is_brain(info) is brain
