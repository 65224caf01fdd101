"""Where the denoiser has skip connections."""

from __future__ import annotations

from synthseg_serving.official.denoiser import DENOISER, merges_deep_levels
from synthseg_serving.variables import variable_shapes


def test_the_two_deepest_merges_exist_and_no_other() -> None:
    assert [merges_deep_levels(level) for level in range(4)] == [False, False, True, True]
    shapes = variable_shapes(DENOISER, merges_deep_levels)
    arriving = {n: s[3] for n, s in shapes.items() if n.endswith("_0/kernel") and "uparm" in n}
    # 256 + 128 and 128 + 64 features where they join, 64 and 32 where they do not.
    assert list(arriving.values()) == [384, 192, 64, 32]
