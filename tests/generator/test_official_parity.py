"""The generative graph against recorded outputs of the official code, fed with its draws."""

import numpy as np
import pytest
from keras import ops
from synthseg_generator.config import Acquisition, BiasField, Crop, Elastic, GeneratorSettings
from synthseg_generator.intensity import apply_bias_field, apply_gamma, apply_mixture
from synthseg_generator.labels import GENERATION_V1, GENERATION_V2
from synthseg_generator.plan import affine_matrix
from synthseg_generator.resolution import apply_acquisition, blur_sigma
from synthseg_generator.spatial import (
    crop_coordinates,
    displacement_nodes,
    integrate_velocity,
    sample_linear,
    sample_nearest,
)
from synthseg_generator.synthesis import Synthesizer


def _recorded(shared_data, name):
    path = shared_data / "reference" / "layers" / f"{name}.npz"
    with np.load(path, allow_pickle=True) as file:
        return {key: file[key] for key in file.files}


def _replayed_normal(shape, std, number):
    """The recording replaced every normal draw by this wave."""
    k = np.arange(np.prod(shape))
    wave = np.sin(0.61803 * k + number)
    return (std * np.sqrt(2.0) * wave).astype(np.float32).reshape(shape)


@pytest.fixture(scope="module")
def recorded(shared_data):
    return _recorded(shared_data, "e2e_default_1ch")


@pytest.fixture(scope="module")
def replayed(recorded):
    """The draws of the recorded sample, as our parameters."""
    frac = lambda n: float(recorded[f"d{n:02d}_uniform_frac"])  # noqa: E731
    between = lambda n, low, high: low + frac(n) * (high - low)  # noqa: E731
    map_shape = recorded["labels"].shape[1:4]
    small = [int(np.ceil(n * 0.16)) for n in map_shape]
    bias = _replayed_normal((1, 4, 4, 4, 1), between(11, 0, 0.7), 12)[0]
    np.testing.assert_array_equal(recorded["generation_labels"], GENERATION_V1.values)
    return {
        "map_index": np.int32(0),
        "map_shape": np.array(map_shape, np.int32),
        "matrix": affine_matrix(
            [between(0, -15, 15)] * 3,
            [between(4, 0.8, 1.2)] * 3,
            [between(2, -0.012, 0.012)] * 6,
            [0] * 3,
        ).astype(np.float32),
        "velocity": _replayed_normal((1, *small, 3), between(6, 0, 4), 7)[0],
        "crop_start": np.array([int(between(8, 0, n - 32)) for n in map_shape], np.int32),
        "flip": np.bool_(frac(9) < 0.5),
        "means": recorded["means"][0],
        "stds": recorded["stds"][0],
        "log_bias": bias,
        "gamma": np.exp(_replayed_normal((1, 1), 0.5, 14)[0]),
        "spacing_mm": recorded["L03_SampleResolution_sample_resolution_1_out0"],
        "thickness_mm": recorded["L04_SampleResolution_sample_resolution_1_out1"],
        "blur_factor": np.full((1, 3), between(21, 1 / 1.03, 1.03), np.float32),
        "noise_seed": np.zeros(2, np.int32),
    }


@pytest.fixture(scope="module")
def synthesizer(recorded):
    settings = GeneratorSettings(
        crop=Crop(shape=(32, 32, 32)),
        elastic=Elastic(scale=0.16, integration_step=2),
        bias_field=BiasField(scale=0.1),
        acquisition=Acquisition(),
    )
    return Synthesizer(settings, GENERATION_V1, recorded["labels"].shape[1:4])


def _as_indices(labels, table):
    order = np.argsort(table.values)
    return order[np.searchsorted(np.array(table.values)[order], labels)].astype(np.int32)


def test_whole_model_equals_official_labels(recorded, replayed, synthesizer):
    labels = _as_indices(recorded["labels"][0, ..., 0], GENERATION_V1)
    ours = np.array(GENERATION_V1.values)[
        ops.convert_to_numpy(synthesizer.deform(labels, replayed))
    ]
    theirs = recorded["L02_RandomFlip_random_flip_1_out0"][0, ..., 0]
    assert np.mean(ours == theirs) >= 0.995


def test_whole_model_equals_official_image_on_the_same_labels(recorded, replayed, synthesizer):
    cropped = _as_indices(recorded["L02_RandomFlip_random_flip_1_out0"][0, ..., 0], GENERATION_V1)
    noise = _replayed_normal((1, 32, 32, 32, 1), 1.0, 10)[0]
    image = ops.convert_to_numpy(synthesizer.paint(cropped, replayed, noise))
    np.testing.assert_allclose(image, recorded["L14_Lambda_image_out_out0"][0], atol=1e-3)


def test_target_equals_official_conversion(recorded, synthesizer):
    cropped = _as_indices(recorded["L02_RandomFlip_random_flip_1_out0"][0, ..., 0], GENERATION_V1)
    channels = sorted({0, *GENERATION_V1.targets})
    ours = np.array(channels)[ops.convert_to_numpy(synthesizer.target(cropped))]
    np.testing.assert_array_equal(ours, recorded["L13_ConvertLabels_labels_out_out0"][0, ..., 0])


def test_affine_matrix_equals_official(shared_data):
    data = _recorded(shared_data, "affine_matrices")
    ours = affine_matrix(
        data["rotation_deg"][0], data["scaling"][0], data["shearing"][0], data["translation"][0]
    )
    np.testing.assert_allclose(ours, data["all"].reshape(-1, 4)[:3], atol=1e-5)


def test_integration_equals_official(shared_data):
    data = _recorded(shared_data, "svf_integration")
    ours = integrate_velocity(ops.convert_to_tensor(data["half_svf"][0]), [1, 1, 1], 7)
    np.testing.assert_allclose(ops.convert_to_numpy(ours), data["half_disp"][0], atol=1e-4)


def test_enlarged_displacement_equals_official(shared_data):
    data = _recorded(shared_data, "svf_integration")
    map_shape = data["full_disp"].shape[1:4]
    nodes = displacement_nodes(ops.convert_to_tensor(data["small_svf"][0]), map_shape, 2, 7)
    identity = np.stack(np.meshgrid(*[np.arange(n) for n in map_shape], indexing="ij"), axis=-1)
    coordinates = crop_coordinates(
        nodes,
        np.eye(3, 4, dtype=np.float32),
        map_shape,
        map_shape,
        np.zeros(3, np.int32),
        np.bool_(False),
    )
    ours = ops.convert_to_numpy(coordinates) - identity
    np.testing.assert_allclose(ours, data["full_disp"][0], atol=1e-4)


@pytest.mark.parametrize(
    "name", ["mimic_acquisition_113", "mimic_acquisition_aniso37", "mimic_acquisition_iso23"]
)
def test_acquisition_without_blur_equals_official(shared_data, name):
    data = _recorded(shared_data, name)
    spacing = data["resolution"].astype(np.float32)
    ours = apply_acquisition(
        ops.convert_to_tensor(data["image"][0]),
        spacing,
        spacing,
        np.zeros((1, 3), np.float32),
        max_spacing_mm=8,
    )
    np.testing.assert_allclose(ops.convert_to_numpy(ours), data["image_out"][0], atol=1e-4)


def test_acquisition_to_a_finer_grid_equals_official(shared_data):
    data = _recorded(shared_data, "mimic_acquisition_to_bigger")
    spacing = data["resolution"].astype(np.float32)
    ours = apply_acquisition(
        ops.convert_to_tensor(data["image"][0]),
        spacing,
        spacing,
        np.zeros((1, 3), np.float32),
        max_spacing_mm=8,
        native_mm=float(data["volume_res"][0]),
        out_shape=data["resample_shape"].tolist(),
    )
    np.testing.assert_allclose(ops.convert_to_numpy(ours), data["image_out"][0], atol=1e-4)


def test_blur_widths_equal_official(shared_data):
    table = _recorded(shared_data, "blur_sigma_table")["rows_cur_down_thick_sigma"]
    for native, spacing, thickness, sigma in table:
        ours = blur_sigma(np.float32(spacing), np.float32(thickness), np.float32(native[0]))
        np.testing.assert_allclose(ops.convert_to_numpy(ours), sigma, atol=1e-5)


def test_bias_field_equals_official(shared_data):
    data = _recorded(shared_data, "bias_field")
    ours = apply_bias_field(
        ops.convert_to_tensor(data["image"][0]), ops.convert_to_tensor(data["small_bias"][0])
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours), data["image_out"][0], rtol=1e-4, atol=1e-4
    )


def test_mixture_of_zero_width_equals_official(shared_data):
    data = _recorded(shared_data, "gmm_zero_std")
    labels, means = data["labels"][0, ..., 0], data["means"][0]
    indices = np.searchsorted(np.sort(data["generation_labels"]), labels)
    order = np.argsort(data["generation_labels"])
    ours = apply_mixture(
        indices, means[order], np.zeros_like(means), np.zeros((*labels.shape, means.shape[1]))
    )
    np.testing.assert_allclose(ops.convert_to_numpy(ours), data["image_out"][0], atol=1e-4)


def test_gamma_equals_official(shared_data):
    data = _recorded(shared_data, "intensity_gamma")
    ours = apply_gamma(data["normalised"][0], data["exp_gamma"])
    np.testing.assert_allclose(ops.convert_to_numpy(ours), data["image_out"][0], atol=1e-4)


def test_affine_lookup_equals_official(shared_data):
    data = _recorded(shared_data, "affine_deform")
    shape = data["labels"].shape[1:4]
    coordinates = _affine_coordinates(data["matrix"][0, :3].astype(np.float32), shape)
    ours = ops.convert_to_numpy(sample_nearest(data["labels"][0, ..., 0], coordinates, shape))
    assert np.mean(ours == data["labels_out"][0, ..., 0]) >= 0.995
    linear = sample_linear(ops.convert_to_tensor(data["image"][0]), coordinates)
    np.testing.assert_allclose(ops.convert_to_numpy(linear), data["image_out"][0], atol=1e-3)


@pytest.mark.parametrize("part", ["rot", "scale", "shear", "trans"])
def test_each_part_of_the_affine_map_equals_official(shared_data, part):
    data = _recorded(shared_data, f"affine_deform_{part}")
    parts = {"rot": [0.0] * 3, "scale": [1.0] * 3, "shear": [0.0] * 6, "trans": [0.0] * 3}
    parts[part] = data["params"]
    coordinates = _affine_coordinates(
        affine_matrix(*parts.values()).astype(np.float32), data["image"].shape[1:4]
    )
    linear = sample_linear(ops.convert_to_tensor(data["image"][0]), coordinates)
    np.testing.assert_allclose(ops.convert_to_numpy(linear), data["image_out"][0], atol=1e-3)


def _affine_coordinates(matrix, shape):
    still = ops.zeros((2, 2, 2, 3))
    return crop_coordinates(still, matrix, shape, shape, np.zeros(3, np.int32), np.bool_(False))


def test_both_released_tables_share_the_flip(shared_data):
    assert GENERATION_V1.flip_indices == GENERATION_V2.flip_indices
