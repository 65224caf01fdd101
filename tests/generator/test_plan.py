import dataclasses

import numpy as np
import pytest
from scipy.stats import ks_2samp
from synthseg_generator.config import (
    Acquisition,
    Affine,
    BiasField,
    Crop,
    Elastic,
    GeneratorSettings,
    Mixture,
    Prior,
    Uniform,
)
from synthseg_generator.errors import ConfigError
from synthseg_generator.labels import GENERATION_V2
from synthseg_generator.plan import (
    MapGeometry,
    SampleParameters,
    affine_matrix,
    draw_affine,
    draw_bias_field,
    draw_crop,
    draw_mixture,
    draw_resolution,
    draw_sample,
    draw_velocity,
)

MAPS = (MapGeometry((48, 52, 50)), MapGeometry((48, 52, 50), (20.0, 25.0, 30.0)))
SETTINGS = GeneratorSettings(crop=Crop(shape=(32, 32, 32)), n_channels=2)
OFF = Uniform(0, 0)


def _sample(seed=1, k=0, settings=SETTINGS):
    return draw_sample(settings, GENERATION_V2, MAPS, seed, k).to_row()


def test_sample_is_a_function_of_seed_and_number():
    first, again = _sample(k=5), _sample(k=5)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])


@pytest.mark.parametrize("other", [{"seed": 2}, {"k": 1}])
def test_another_seed_or_number_gives_another_sample(other):
    first, second = _sample(), _sample(**other)
    assert any(not np.array_equal(first[name], second[name]) for name in ("matrix", "means"))


def test_row_and_back_is_the_same_sample():
    row = _sample()
    back = SampleParameters.from_row(row).to_row()
    assert row.keys() == back.keys()
    assert all(row[name] is back[name] for name in row)


def test_rows_have_one_shape_whatever_was_drawn():
    shapes = [{n: np.shape(v) for n, v in _sample(k=k).items()} for k in range(20)]
    assert all(shape == shapes[0] for shape in shapes)


def test_no_affine_strength_is_the_identity():
    still = Affine(
        rotation_deg=(OFF,) * 3,
        scaling=(Uniform(1, 1),) * 3,
        shearing=OFF,
        translation=(OFF,) * 3,
    )
    np.testing.assert_array_equal(draw_affine(still, np.random.default_rng(0)), np.eye(3, 4))


def test_rotation_about_z_turns_x_to_y():
    matrix = affine_matrix([0, 0, 90], [1, 1, 1], [0] * 6, [0, 0, 5])
    np.testing.assert_allclose(matrix @ [1, 0, 0, 1], [0, 1, 5], atol=1e-12)


def test_no_elastic_strength_is_no_velocity():
    settings = GeneratorSettings(elastic=Elastic(strength=OFF))
    assert not draw_velocity(settings, (48, 52, 50), np.random.default_rng(0)).any()


def test_bias_field_that_never_occurs_is_zero():
    settings = GeneratorSettings(bias_field=BiasField(probability=0))
    assert not draw_bias_field(settings, np.random.default_rng(0)).any()


def test_crops_stay_within_the_map():
    starts = np.array([_sample(k=k)["crop_start"] for k in range(200)])
    assert starts.min() >= 0
    assert np.all(starts.max(axis=0) < np.array([48, 52, 50]) - 32)


def test_centred_crop_shows_the_centre_of_the_structures_in_its_middle():
    rng = np.random.default_rng(3)
    geometry = MapGeometry((80, 80, 80), (35.0, 44.0, 41.0))
    matrix = draw_affine(Affine(), rng)
    start = draw_crop(Crop(shape=(21, 21, 21), placement="centred"), geometry, matrix, rng)
    middle = np.full(3, 39.5)
    looked_up = middle + matrix[:, :3] @ (start + 10 - middle) + matrix[:, 3]
    np.testing.assert_allclose(looked_up, geometry.centre, atol=1.5)


def test_crop_larger_than_the_map_is_refused():
    settings = dataclasses.replace(SETTINGS, crop=Crop(shape=(64, 64, 64)))
    with pytest.raises(ConfigError, match=r"crop\.shape \(64, 64, 64\) is larger"):
        _sample(settings=settings)


def test_labels_of_one_class_share_their_gaussian():
    means, stds = draw_mixture(Mixture(), GENERATION_V2, 1, np.random.default_rng(0))
    ventricle, horn = GENERATION_V2.values.index(4), GENERATION_V2.values.index(5)
    assert means[ventricle] == means[horn]
    assert stds[ventricle] == stds[horn]


def test_prior_with_the_wrong_number_of_rows_is_refused():
    mixture = Mixture(means=Prior(rows=((0, 1), (0, 1))))
    with pytest.raises(ConfigError, match="2 rows, expected 1 or one per class, that is 48"):
        draw_mixture(mixture, GENERATION_V2, 1, np.random.default_rng(0))


def test_known_contrast_is_taken_when_it_is_certain():
    prior, narrow = Prior(distribution="normal", rows=((90.0, 0.0),)), Prior(rows=((3.0, 3.0),))
    mixture = Mixture(specific_means=(prior,), specific_stds=(narrow,))
    means, stds = draw_mixture(mixture, GENERATION_V2, 1, np.random.default_rng(0))
    tissue = GENERATION_V2.values.index(2)
    assert (means[tissue, 0], stds[tissue, 0]) == (90, 3)


def _drawn(draw, count, seed):
    rng = np.random.default_rng(seed)
    return [draw(rng) for _ in range(count)]


def test_intensities_are_distributed_as_the_official_ones(shared_data):
    path = shared_data / "reference" / "layers" / "model_inputs_uniform_draws.npz"
    with np.load(path) as recorded:
        theirs = recorded["means"], recorded["stds"]
    draws = _drawn(lambda rng: draw_mixture(Mixture(), GENERATION_V2, 1, rng), 3000, 1)
    for ours, their in zip(zip(*draws, strict=True), theirs, strict=True):
        columns = np.array(ours)[..., 0]
        for label in (0, 1, 25, 40):  # background and three structures
            assert ks_2samp(columns[:, label], their[:, label]).pvalue > 1e-3


def test_resolutions_are_distributed_as_the_official_ones(shared_data):
    path = shared_data / "reference" / "layers" / "sample_resolution_draws.npz"
    with np.load(path) as recorded:
        theirs = recorded["resolution"], recorded["thickness"]
    draws = _drawn(lambda rng: draw_resolution(Acquisition(), rng), 3000, 1)
    for ours, their in zip(zip(*draws, strict=True), theirs, strict=True):
        for axis in range(3):
            assert ks_2samp(np.array(ours)[:, axis], their[:, axis]).pvalue > 1e-3
