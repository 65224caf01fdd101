"""Parcels and quality scores of one scan, asked for after its segmentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from contract_server import Beside, ContractServer, serving
from family import SCORES, family
from sessions import IMPATIENT
from synthseg_client import Options, open_session, segment
from synthseg_client.calls.session import Session
from synthseg_client.errors import (
    AnswerError,
    ModelError,
    RequestTooLargeError,
    UnknownModelError,
    UsageError,
)
from synthseg_client.segmentation.checks import check_result
from synthseg_common import contract
from synthseg_common.labels import SegmentationLabels
from synthseg_common.parcels import PARCELS, QUALITY_GROUPS

BOTH = Options(parcels=True, quality=True)


@pytest.fixture
def model() -> ContractServer:
    return family()


@pytest.fixture
def session(model: ContractServer) -> Iterator[Session]:
    with serving(model) as address, Session(address, retry=IMPATIENT) as opened:
        yield opened


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Left cortex around right cortex in noise, 1 mm, its axes left, posterior, superior."""
    image = np.random.default_rng(0).random((40, 36, 24), np.float32)
    image[8:32, 8:28, 6:18] += 60
    image[16:24, 14:22, 9:15] += 40
    path = tmp_path / "s.nii.gz"
    nib.save(nib.Nifti1Image(image, np.diag([-1.0, -1.0, 1.0, 1.0])), path)
    return path


def test_the_cortex_is_divided_and_all_else_stays(session: Session, scan: Path) -> None:
    plain, divided = segment(scan, session), segment(scan, session, BOTH)
    cortex = np.isin(plain.labels, (3, 42))
    assert cortex.any()
    np.testing.assert_array_equal(divided.labels[~cortex], plain.labels[~cortex])
    assert set(np.unique(divided.labels[plain.labels == 3])) == {1001, 1002}
    assert set(np.unique(divided.labels[plain.labels == 42])) == {2001, 2002}
    # The scan's second axis runs back, so the parcels behind have the high indices.
    assert divided.labels[cortex].min() == 1001
    assert (
        np.argwhere(divided.labels == 1001)[:, 1].min()
        > np.argwhere(divided.labels == 1002)[:, 1].max()
    )


def test_parcels_of_a_side_sum_to_its_cortex_and_stand_last(session: Session, scan: Path) -> None:
    result = segment(scan, session, BOTH)
    names = list(result.volumes)
    assert names[0] == "total intracranial"
    assert names[-68:] == list(PARCELS.names[1:])
    for side, cortex in (("lh", "left cerebral cortex"), ("rh", "right cerebral cortex")):
        parts = sum(v for n, v in result.volumes.items() if n.startswith(f"ctx-{side}-"))
        assert parts == pytest.approx(result.volumes[cortex], rel=1e-4)
        assert parts > 0


def test_as_the_original_parcels_sum_to_the_white_matter(session: Session, scan: Path) -> None:
    result = segment(scan, session, dataclasses.replace(BOTH, as_original=True))
    parts = sum(v for n, v in result.volumes.items() if n.startswith("ctx-"))
    white = [result.volumes[f"{side} cerebral white matter"] for side in ("left", "right")]
    assert parts == pytest.approx(sum(white), rel=1e-4)


def test_parcels_do_not_count_twice_where_the_size_of_the_brain_is_looked_at(
    session: Session, scan: Path
) -> None:
    result = segment(scan, session, Options(network="v1", parcels=True))
    structures = sum(v for n, v in result.volumes.items() if not n.startswith("ctx-"))
    (warning,) = check_result(result)
    assert warning.startswith(f"{structures / 1000:.0f} cm³")


def test_scores_come_by_the_names_of_their_groups(session: Session, scan: Path) -> None:
    result = segment(scan, session, BOTH)
    assert list(result.quality) == list(QUALITY_GROUPS.names[1:])
    assert list(result.quality.values()) == pytest.approx(SCORES.tolist(), abs=1e-4)


def test_companions_are_asked_with_what_is_small(
    session: Session, model: ContractServer, scan: Path
) -> None:
    segment(scan, session, BOTH)
    segmented, *others = model.requests
    asked = {request["model"]: request for request in others}
    parcels, quality = asked[contract.PARCELS_MODEL_NAME], asked[contract.QUALITY_MODEL_NAME]
    np.testing.assert_array_equal(parcels[contract.IMAGE], segmented[contract.IMAGE])
    for request in (parcels, quality):
        assert request[contract.NETWORK_LABELS].dtype == np.uint8
        assert request[contract.NETWORK_LABELS].shape == (128, 128, 128)
    assert parcels[contract.CLEAN_LABELS].shape == segmented[contract.IMAGE].shape
    assert quality[contract.SCORED_SIZE] == 224
    assert quality[contract.UNFRAMED_LABEL] == 24
    assert contract.SMOOTH not in segmented


def test_nobody_is_asked_who_is_not_needed(
    session: Session, model: ContractServer, scan: Path
) -> None:
    segment(scan, session)
    assert [request["model"] for request in model.requests] == [contract.MODEL_NAME]
    assert contract.NETWORK_LABELS not in model.requests[0]["filter"]


@pytest.mark.parametrize(
    ("options", "smooth_asked", "parcels_smooth"),
    [
        (Options(fast=True, parcels=True, as_original=True), [False, None], True),
        (Options(fast=True, parcels=True, quality=True, as_original=True), [False, None], False),
        (Options(parcels=True, quality=True, as_original=True), [None], False),
        (Options(fast=True, parcels=True), [None], None),
        (Options(network="robust", fast=True, parcels=True, as_original=True), [None], True),
    ],
)
def test_the_original_forgets_blurs(
    session: Session,
    model: ContractServer,
    scan: Path,
    options: Options,
    smooth_asked: list[bool | None],
    parcels_smooth: bool | None,
) -> None:
    """Its fast answer, but not what parcels are asked with; its parcels beside quality."""
    segment(scan, session, options)

    def told(request: dict[str, Any]) -> bool | None:
        return bool(request[contract.SMOOTH]) if contract.SMOOTH in request else None

    segmenters = (contract.MODEL_NAME, contract.ROBUST_MODEL_NAME)
    segmented = [r for r in model.requests if r["model"] in segmenters]
    (parcels,) = (r for r in model.requests if r["model"] == contract.PARCELS_MODEL_NAME)
    assert [told(request) for request in segmented] == smooth_asked
    assert told(parcels) is parcels_smooth


@pytest.mark.parametrize(
    ("network", "asked", "unframed", "total"),
    [
        ("robust", contract.ROBUST_MODEL_NAME, 47, True),
        ("v1", contract.V1_MODEL_NAME, 49, False),
    ],
)
def test_the_network_is_chosen_by_name(
    session: Session,
    model: ContractServer,
    scan: Path,
    network: Any,
    asked: str,
    unframed: int,
    total: bool,
) -> None:
    result = segment(scan, session, Options(network=network, quality=True, as_original=True))
    assert model.requests[0]["model"] == asked == result.model.name
    assert ("total intracranial" in result.volumes) == total
    # As an index, where it was meant as a label.
    assert model.requests[-1][contract.UNFRAMED_LABEL] == unframed


def test_a_model_that_is_missing_is_named_with_the_flag_that_needs_it(
    session: Session, model: ContractServer, scan: Path
) -> None:
    del model.beside[contract.QUALITY_MODEL_NAME]
    with pytest.raises(UnknownModelError, match=r"synthseg_quality, which --qc needs: .*import-"):
        segment(scan, session, BOTH)
    del model.beside[contract.ROBUST_MODEL_NAME]
    with pytest.raises(UnknownModelError, match=r"synthseg_robust, which --robust needs: .*import"):
        segment(scan, session, Options(network="robust"))
    assert not model.requests


def test_a_model_of_an_earlier_version_is_to_be_exported_again(
    session: Session, model: ContractServer, scan: Path
) -> None:
    model.outputs = tuple(name for name in model.outputs if name != contract.NETWORK_LABELS)
    with pytest.raises(ModelError, match=r"synthseg:1 was made by an earlier version.* again\."):
        segment(scan, session, BOTH)
    assert not model.requests
    assert segment(scan, session).labels.any()


def test_a_scan_that_is_too_large_for_the_parcels_is_not_segmented_first(
    session: Session, model: ContractServer, scan: Path
) -> None:
    parcels = model.beside[contract.PARCELS_MODEL_NAME]
    model.beside[contract.PARCELS_MODEL_NAME] = dataclasses.replace(
        parcels, info={**parcels.info, contract.MAX_VOXELS: 64**3}
    )
    with pytest.raises(RequestTooLargeError, match="synthseg_parcels:1 takes 262144 at most"):
        segment(scan, session, BOTH)
    assert not model.requests


def test_scores_are_the_numbers_of_the_table(session: Session, scan: Path) -> None:
    scores = segment(scan, session, BOTH).quality
    assert list(scores.values()) == [float(f"{score:.4f}") for score in SCORES]


def test_labels_of_other_anatomies_are_not_scored(
    session: Session, model: ContractServer, scan: Path
) -> None:
    model.table = SegmentationLabels((0, 2, 3, 42), ("a", "b", "c", "d"), (0,) * 4, (0, 1, 3, 2))
    with pytest.raises(UsageError, match="--qc knows the labels of SynthSeg"):
        segment(scan, session, Options(quality=True))


def test_a_model_of_another_kind_is_refused(model: ContractServer, scan: Path) -> None:
    model.beside[contract.PARCELS_MODEL_NAME] = model.beside[contract.QUALITY_MODEL_NAME]
    with serving(model) as address, open_session(address) as session:
        with pytest.raises(ModelError, match="synthseg_parcels:1 is a scorer, expected a parcel"):
            segment(scan, session, BOTH)
        with pytest.raises(ModelError, match="synthseg_quality:1 is a scorer, expected a segm"):
            segment(scan, session.beside(contract.QUALITY_MODEL_NAME))


@pytest.mark.parametrize(
    ("name", "output", "wrong"),
    [
        (contract.PARCELS_MODEL_NAME, contract.PARCELS, np.zeros((2, 2, 2), np.uint16)),
        (contract.PARCELS_MODEL_NAME, contract.PARCEL_VOXELS, np.full(69, np.nan)),
        (contract.PARCELS_MODEL_NAME, contract.PARCEL_VOXELS, np.zeros(3)),
        (contract.QUALITY_MODEL_NAME, contract.SCORES, np.full(8, 1.5, np.float32)),
        (contract.QUALITY_MODEL_NAME, contract.SCORES, np.zeros(3, np.float32)),
    ],
)
def test_answers_that_do_not_fit_are_refused(
    session: Session,
    model: ContractServer,
    scan: Path,
    name: str,
    output: str,
    wrong: np.ndarray,
) -> None:
    honest = model.beside[name]

    def tampered(inputs: dict[str, Any]) -> dict[str, Any]:
        return {**honest.answer(inputs), output: wrong}

    model.beside[name] = Beside(honest.table, honest.info, tampered)
    with pytest.raises(AnswerError):
        segment(scan, session, BOTH)


def test_parcels_on_the_scans_own_grid_are_the_nearest_of_their_side(
    session: Session, tmp_path: Path, save_scan: Callable[..., Path]
) -> None:
    path = save_scan(tmp_path / "thick.nii.gz", (40, 36, 12), np.diag([1.0, 1.0, 3.0, 1.0]))
    keep = Options(keep_geometry=True)
    plain = segment(path, session, keep)
    divided = segment(path, session, dataclasses.replace(keep, parcels=True))
    assert divided.labels.shape == (40, 36, 12)
    for cortex, first in ((3, 1000), (42, 2000)):
        found = divided.labels[plain.labels == cortex]
        assert len(found)
        assert set(np.unique(found)) == {first + 1, first + 2}
    rest = ~np.isin(plain.labels, (3, 42))
    np.testing.assert_array_equal(divided.labels[rest], plain.labels[rest])
