"""Every step of the generative graph against recorded outputs of the official layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from generator_fixtures import ReadLayer
from keras import ops
from numpy.typing import ArrayLike, NDArray
from synthseg_common.labels import GENERATION_V1, GENERATION_V2, GenerationLabels
from synthseg_generator.draws.shape import compose_affine
from synthseg_generator.graph.acquisition import (
    apply_acquisition,
    compute_blur_reaches,
    compute_blur_sigma,
    compute_window_reach,
    make_gaussian_weights,
)
from synthseg_generator.graph.deformation import (
    compose_coordinates,
    integrate_displacement,
    integrate_velocity,
)
from synthseg_generator.graph.gradients import measure_gradient
from synthseg_generator.graph.intensity import (
    apply_bias_field,
    apply_clip,
    apply_gamma,
    apply_mixture,
    apply_normalisation,
)
from synthseg_generator.graph.interpolation import (
    enlarge,
    make_linear_weights,
    place_enlarged,
    resize_nearest,
    sample_linear,
    sample_nearest,
)
from synthseg_generator.graph.synthesizer import Synthesizer
from synthseg_generator.settings.generator import Acquisition, Crop, GeneratorSettings

Tensor = Any

STILL = np.zeros((2, 2, 2, 3), np.float32)
IDENTITY = np.eye(3, 4, dtype=np.float32)


def _coordinates(
    displacement: NDArray[Any], matrix: NDArray[Any], shape: Sequence[int], flip: bool = False
) -> Tensor:
    return compose_coordinates(
        ops.convert_to_tensor(displacement),
        np.asarray(matrix, np.float32),
        shape,
        shape,
        np.zeros(3, np.int32),
        np.bool_(flip),
    )


def _close(ours: Tensor, theirs: NDArray[Any], atol: float = 1e-4, rtol: float = 0.0) -> None:
    np.testing.assert_allclose(ops.convert_to_numpy(ours), theirs, atol=atol, rtol=rtol)


# Deformation


def test_affine_matrix_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("affine_matrices")
    ours = compose_affine(
        data["rotation_deg"][0], data["scaling"][0], data["shearing"][0], data["translation"][0]
    )
    _close(ours, data["all"].reshape(-1, 4)[:3], atol=1e-5)


def test_affine_lookup_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("affine_deform")
    shape = data["labels"].shape[1:4]
    places = _coordinates(STILL, data["matrix"][0, :3], shape)
    ours = ops.convert_to_numpy(sample_nearest(data["labels"][0, ..., 0], places, shape))
    assert np.mean(ours == data["labels_out"][0, ..., 0]) >= 0.995
    _close(sample_linear(ops.convert_to_tensor(data["image"][0]), places), data["image_out"][0])


@pytest.mark.parametrize("part", ["rot", "scale", "shear", "trans"])
def test_each_part_of_the_affine_map_equals_official(recorded_layer: ReadLayer, part: str) -> None:
    data = recorded_layer(f"affine_deform_{part}")
    parts: dict[str, Sequence[float]] = {
        "rot": [0.0] * 3,
        "scale": [1.0] * 3,
        "shear": [0.0] * 6,
        "trans": [0.0] * 3,
    }
    parts[part] = data["params"].tolist()
    places = _coordinates(STILL, compose_affine(*parts.values()), data["image"].shape[1:4])
    _close(sample_linear(ops.convert_to_tensor(data["image"][0]), places), data["image_out"][0])


def test_integration_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("svf_integration")
    ours = integrate_velocity(ops.convert_to_tensor(data["half_svf"][0]), [1, 1, 1], 7)
    _close(ours, data["half_disp"][0])


def test_enlarged_displacement_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("svf_integration")
    shape = data["full_disp"].shape[1:4]
    nodes = integrate_displacement(ops.convert_to_tensor(data["small_svf"][0]), shape, 2, 7)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    _close(_coordinates(nodes, IDENTITY, shape) - grid, data["full_disp"][0])


@pytest.mark.parametrize("name", ["svf_deform", "affine_svf_deform"])
def test_combined_deformation_equals_official(recorded_layer: ReadLayer, name: str) -> None:
    """The displacement is recorded at every voxel: it is its own grid of nodes."""
    data = recorded_layer(name)
    shape = data["image"].shape[1:4]
    matrix = data["matrix"][0, :3] if "matrix" in data else IDENTITY
    places = _coordinates(data["full_disp"][0], matrix, shape)
    _close(
        sample_linear(ops.convert_to_tensor(data["image"][0]), places),
        data["image_out"][0],
        atol=1e-3,
    )
    ours = ops.convert_to_numpy(sample_nearest(data["labels"][0, ..., 0], places, shape))
    assert np.mean(ours == data["labels_out"][0, ..., 0]) >= 0.995


@pytest.mark.parametrize("name", ["flip_axis0_swap", "flip_axis1_swap"])
def test_flip_equals_official_along_the_first_axis(recorded_layer: ReadLayer, name: str) -> None:
    """Asked for axis 1, the official layer flips axis 0 too: a bug that is not copied."""
    data = recorded_layer(name)
    values, n_neutral = tuple(data["label_list"].tolist()), int(data["n_neutral"])
    table = GenerationLabels(values, n_neutral, tuple(range(len(values))), values)
    labels = _as_indices(data["labels"][0, ..., 0], values)
    places = _coordinates(STILL, IDENTITY, labels.shape, flip=True)
    mirrored = ops.convert_to_numpy(sample_nearest(labels, places, labels.shape))
    ours = np.array(values)[np.array(table.flip_indices)[mirrored]]
    np.testing.assert_array_equal(ours, data["labels_out"][0, ..., 0])
    _close(sample_linear(ops.convert_to_tensor(data["image"][0]), places), data["image_out"][0])


@pytest.mark.parametrize("size", ["up", "down"])
def test_resizing_equals_official(recorded_layer: ReadLayer, size: str) -> None:
    linear = recorded_layer("resize_linear")
    shape = linear[size].shape[1:4]
    weights = [
        make_linear_weights(place_enlarged(n_out, n_in), n_in)
        for n_out, n_in in zip(shape, linear["x"].shape[1:4], strict=True)
    ]
    _close(enlarge(ops.convert_to_tensor(linear["x"][0]), weights), linear[size][0])
    nearest = recorded_layer("resize_nearest")
    ours = resize_nearest(ops.convert_to_tensor(nearest["x"][0, ..., 0]), shape)
    np.testing.assert_array_equal(ops.convert_to_numpy(ours), nearest[size][0, ..., 0])


# Intensity


def test_mixture_of_zero_width_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("gmm_zero_std")
    labels, means = data["labels"][0, ..., 0], data["means"][0]
    indices = _as_indices(labels, data["generation_labels"])
    noise = np.ones((*labels.shape, means.shape[1]), np.float32)
    _close(apply_mixture(indices, means, np.zeros_like(means), noise), data["image_out"][0])


def test_mixture_has_the_means_and_deviations_of_the_official_one(
    recorded_layer: ReadLayer,
) -> None:
    """Two draws of one Gaussian differ by no more than their standard errors allow."""
    data = recorded_layer("gmm_stats")
    indices = _as_indices(data["labels"][0, ..., 0], data["generation_labels"])
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((*indices.shape, 2)).astype(np.float32)
    image = ops.convert_to_numpy(apply_mixture(indices, data["means"][0], data["stds"][0], noise))
    for label in range(len(data["generation_labels"])):
        drawn = image[indices == label]
        error = data["stds"][0, label] / np.sqrt(len(drawn))
        assert np.all(np.abs(drawn.mean(axis=0) - data["emp_mean"][:, label]) < 5 * error)
        assert np.all(np.abs(drawn.std(axis=0) - data["emp_std"][:, label]) < 5 * error)


def test_bias_field_equals_official(recorded_layer: ReadLayer) -> None:
    data = recorded_layer("bias_field")
    ours = apply_bias_field(
        ops.convert_to_tensor(data["image"][0]), ops.convert_to_tensor(data["small_bias"][0])
    )
    _close(ours, data["image_out"][0], rtol=1e-4)


def test_clipping_and_normalisation_equal_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("intensity_clip_norm")
    _close(apply_normalisation(apply_clip(data["image"][0], 300)), data["image_out"][0], 1e-5)


def test_gamma_equals_official(recorded_layer: ReadLayer) -> None:
    data = recorded_layer("intensity_gamma")
    _close(apply_gamma(data["normalised"][0], data["exp_gamma"]), data["image_out"][0])


# Resolution


def _blur(image: NDArray[Any], sigma: object, reaches: Sequence[Sequence[int]]) -> Tensor:
    """The acquisition at native spacing and a thickness that gives this width: blur alone."""
    native = np.ones((image.shape[-1], 3), np.float32)
    # Native thickness blurs by 0.5; the factor makes that the wanted width.
    factor = native * np.asarray(sigma, np.float32) / 0.5
    return apply_acquisition(ops.convert_to_tensor(image), native, native, factor, reaches=reaches)


@pytest.mark.parametrize("name", ["s05", "aniso", "sep"])
def test_static_blur_equals_official(recorded_layer: ReadLayer, name: str) -> None:
    data = recorded_layer(f"gaussian_blur_{name}")
    sigma = np.broadcast_to(data["sigma"], 3)
    reaches = [[compute_window_reach(width) for width in sigma]] * 2
    _close(_blur(data["image"][0], sigma, reaches), data["image_out"][0], atol=1e-5)


@pytest.mark.parametrize("name", ["dynamic_blur_nonsep", "dynamic_blur_sep"])
def test_dynamic_blur_equals_official(recorded_layer: ReadLayer, name: str) -> None:
    data = recorded_layer(name)
    reaches = [[compute_window_reach(width) for width in data["max_sigma"]]]
    _close(_blur(data["image"][0], data["sigma"][0], reaches), data["image_out"][0], atol=1e-5)


@pytest.mark.parametrize(("name", "darker"), [("nonsep", 2), ("sep", 8)])
def test_blur_does_not_darken_samples_of_larger_batches(
    recorded_layer: ReadLayer, name: str, darker: int
) -> None:
    """The official layer normalises over the batch, once per kernel: a bug that is not copied."""
    data = recorded_layer(f"dynamic_blur_batch2_{name}")
    reaches = [[compute_window_reach(width) for width in data["max_sigma"]]]
    totals = [
        ops.convert_to_numpy(_blur(image, sigma, reaches)).sum() / theirs.sum()
        for image, sigma, theirs in zip(
            data["image"], data["sigma"], data["image_out"], strict=True
        )
    ]
    assert np.mean(totals) == pytest.approx(darker, rel=0.2)


def test_kernels_equal_official(recorded_layer: ReadLayer) -> None:
    data = recorded_layer("gaussian_kernels")
    for axis, sigma in enumerate(data["sep_sigma"]):
        reach = compute_window_reach(sigma)
        offsets = np.arange(-reach, reach + 1, dtype=np.float32)
        _close(make_gaussian_weights(offsets, np.float32(sigma), reach), data[f"sep_k{axis}"], 1e-6)


def test_blur_widths_equal_official(recorded_layer: ReadLayer) -> None:
    table = recorded_layer("blur_sigma_table")["rows_cur_down_thick_sigma"]
    for native, spacing, thickness, sigma in table:
        ours = compute_blur_sigma(np.float32(spacing), np.float32(thickness), float(native[0]))
        _close(ours, sigma, atol=1e-5)


def _mimic(data: dict[str, NDArray[Any]], **options: Any) -> Tensor:
    spacing = np.atleast_2d(data["resolution"]).astype(np.float32)
    return apply_acquisition(
        ops.convert_to_tensor(data["image"][0]),
        spacing,
        spacing,
        np.zeros((1, 3), np.float32),
        reaches=[[7, 7, 7]],
        **options,
    )


@pytest.mark.parametrize("name", ["113", "aniso37", "iso23", "none"])
def test_acquisition_without_blur_equals_official(recorded_layer: ReadLayer, name: str) -> None:
    data = recorded_layer(f"mimic_acquisition_{name}")
    _close(_mimic(data), data["image_out"][0])


def test_acquisition_of_fixed_spacing_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("mimic_acquisition_fixed_113")
    _close(_mimic(data, repeat_last=True), data["image_out"][0])


def test_acquisition_to_a_finer_grid_equals_official(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("mimic_acquisition_to_bigger")
    ours = _mimic(
        data, native_mm=float(data["volume_res"][0]), out_shape=data["resample_shape"].tolist()
    )
    _close(ours, data["image_out"][0])


def test_windows_of_drawn_and_fixed_blur_are_the_official_ones() -> None:
    assert compute_blur_reaches(Acquisition(), 1, 1.0) == ((7, 7, 7),)
    fixed = Acquisition(fixed_spacing_mm=((1, 1, 3), (1, 2.5, 1)), fixed_thickness_mm=((1, 1, 2),))
    assert compute_blur_reaches(fixed, 2, 1.0) == ((1, 1, 2), (1, 1, 1))


def test_gradients_equal_official(recorded_layer: ReadLayer) -> None:
    data = recorded_layer("image_gradients")
    ours = measure_gradient(ops.convert_to_tensor(data["image"][0]))
    _close(ours, data["sobel_mag"][0], rtol=1e-5)


# Labels


def _as_indices(labels: NDArray[Any], values: ArrayLike) -> NDArray[np.int32]:
    order = np.argsort(values)
    return order[np.searchsorted(np.array(values)[order], labels)].astype(np.int32)


def test_target_equals_official_conversion(
    recorded_layer: ReadLayer,
) -> None:
    data = recorded_layer("convert_labels")
    values, targets = tuple(data["source"].tolist()), tuple(data["dest"].tolist())
    table = GenerationLabels(values, 2, tuple(range(len(values))), targets)
    labels = _as_indices(data["labels"][0, ..., 0], values)
    graph = Synthesizer(GeneratorSettings(crop=Crop(shape=labels.shape)), table, labels.shape)
    channels = ops.convert_to_numpy(graph.target(ops.convert_to_tensor(labels), {}))
    ours = np.array(sorted({0, *targets}))[channels]
    np.testing.assert_array_equal(ours, data["out"][0, ..., 0])


def test_both_released_tables_share_the_flip() -> None:
    assert GENERATION_V1.flip_indices == GENERATION_V2.flip_indices
