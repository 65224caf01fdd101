from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt
from synthseg_trainer.aliases import LabelArray
from synthseg_trainer.evaluation.surface import original_distances, surface_distances

IDENTITY = np.eye(4)


def _cuboid(
    *sides: tuple[int, int], value: int = 1, shape: tuple[int, int, int] = (20, 20, 20)
) -> LabelArray:
    volume = np.zeros(shape, np.int32)
    volume[tuple(slice(a, b) for a, b in sides)] = value
    return volume


def test_equal_surfaces_are_no_distance_apart() -> None:
    volume = _cuboid((5, 10), (5, 10), (5, 10))
    np.testing.assert_array_equal(
        surface_distances(volume, volume, [1], IDENTITY), np.zeros((1, 4))
    )


def test_two_cuboids_are_as_far_apart_as_their_corners() -> None:
    first = _cuboid((5, 10), (5, 10), (5, 10))
    second = _cuboid((8, 15), (6, 9), (4, 12))
    ((hausdorff, _, _, _),) = surface_distances(first, second, [1], IDENTITY)
    assert hausdorff == pytest.approx(np.sqrt(5**2 + 2**2))


def test_distances_are_in_mm_of_anisotropic_and_tilted_voxels() -> None:
    first, second = (_cuboid((5, 6), (5, 6), (z, z + 1)) for z in (5, 8))
    spacing = np.diag([1.0, 1.0, 4.0, 1.0])
    assert surface_distances(first, second, [1], spacing) == pytest.approx(12.0)
    turned = np.array([[0, 0.6, -3.2], [0, 0.8, 2.4], [1, 0, 0]])
    assert surface_distances(first, second, [1], turned) == pytest.approx(4.0 * 3)


def test_distances_equal_those_of_distance_maps() -> None:
    rng = np.random.default_rng(0)
    maps = [rng.integers(0, 3, (12, 14, 10)).astype(np.int32) for _ in range(2)]
    sizes = (0.7, 1.0, 2.5)
    found = surface_distances(maps[0], maps[1], [2, 1], np.diag([*sizes, 1.0]))
    for label, row in zip((2, 1), found, strict=True):
        edges = [(m == label) & ~binary_erosion(m == label) for m in maps]
        first, second = (distance_transform_edt(~edge, sampling=sizes) for edge in edges)
        there, back = second[edges[0]], first[edges[1]]
        both = np.concatenate([there, back])
        expected = [*np.percentile(both, (100, 99, 95)), (there.mean() + back.mean()) / 2]
        np.testing.assert_allclose(row, expected, rtol=1e-12)


def test_a_label_that_one_map_lacks_has_no_distance() -> None:
    volume = _cuboid((5, 10), (5, 10), (5, 10))
    assert np.isnan(surface_distances(volume, volume * 0, [1, 7], IDENTITY)).all()


def test_the_edge_of_the_volume_is_a_surface() -> None:
    volume = np.ones((6, 6, 6), np.int32)
    smaller = volume.copy()
    smaller[0] = 0
    ((hausdorff, *_),) = surface_distances(volume, smaller, [1], IDENTITY)
    assert hausdorff == 1


def test_distances_as_original_equal_the_recorded_ones(shared_data: Path) -> None:
    with np.load(shared_data / "reference/evaluate/dice_and_distances.npz") as recorded:
        for label in (2, 17, 53):
            found = original_distances(recorded["x"] == label, recorded["y"] == label)
            expected = recorded[f"sd_{label}_100_99_95_mean"]
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        found = original_distances(recorded["cube1"], recorded["cube2"])
        np.testing.assert_allclose(found[[0, 2, 3]], recorded["cube_100_95_mean"], rtol=1e-12)
        empty = original_distances(recorded["x"] == 2, recorded["x"] == 1234)
        np.testing.assert_array_equal(empty[[0, 3]], recorded["sd_empty_max_mean"])
        # The original cuts the cuboids, see the module: they are further apart.
        cuboids = [recorded[name].astype(np.int32) for name in ("cube1", "cube2")]
    ((hausdorff, *_),) = surface_distances(cuboids[0], cuboids[1], [1], IDENTITY)
    assert hausdorff > found[0]
