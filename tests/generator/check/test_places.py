"""Sides and directions of label maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray
from synthseg_generator.check.findings import Finding
from synthseg_generator.check.linter import Severity

FindingsOf = Callable[..., list[Finding]]


def said(findings: Iterable[Finding]) -> list[tuple[Severity, tuple[str, ...], str]]:
    return [(f.severity, f.maps, f.problem) for f in findings]


def test_a_mirrored_map_is_blamed_as_a_whole(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    ((severity, maps, problem),) = said(findings_of(good=head, mirrored=head[::-1]))
    assert (severity, maps) == (Severity.ERROR, ("mirrored",))
    assert "left labels lie on the right" in problem


def test_one_exchanged_pair_is_blamed_alone(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    swapped = head.copy()
    swapped[head == 12], swapped[head == 51] = 51, 12
    ((severity, maps, problem),) = said(findings_of(good=head, swapped=swapped))
    assert (severity, maps) == (Severity.ERROR, ("swapped",))
    assert "12 (left putamen) lies to the right of its pair 51" in problem


@pytest.mark.parametrize(("axis", "how"), [(2, "upside down"), (1, "back to front")])
def test_an_orientation_that_disagrees_with_the_labels_is_an_error(
    findings_of: FindingsOf, head: NDArray[np.int32], axis: int, how: str
) -> None:
    findings = said(findings_of(good=head, turned=np.flip(head, axis)))
    assert (Severity.ERROR, ("turned",)) in [f[:2] for f in findings]
    assert any(how in f[2] for f in findings)


def test_exchanged_axes_are_an_error(findings_of: FindingsOf, head: NDArray[np.int32]) -> None:
    findings = said(findings_of(good=head, lying=np.swapaxes(head, 1, 2)))
    assert [f[:2] for f in findings] == [(Severity.ERROR, ("lying",))]
    assert "axes are exchanged" in findings[0][2]


def test_a_part_on_the_other_side_is_an_error(
    findings_of: FindingsOf, head: NDArray[np.int32]
) -> None:
    astray = head.copy()
    right = np.argwhere(head == 42)
    for place in right[right[:, 0] > 36][:400]:  # beyond the middle of the right cortex
        astray[tuple(place)] = 3
    ((severity, maps, problem),) = said(findings_of(good=head, mixed=astray))
    assert (severity, maps) == (Severity.ERROR, ("mixed",))
    assert "of label 3 (left cerebral cortex) lies on the other side" in problem


def test_a_few_stray_voxels_are_a_warning(findings_of: FindingsOf, head: NDArray[np.int32]) -> None:
    stray = np.where(head == 16, 24, head)
    stray[np.unravel_index(np.flatnonzero(head == 16)[:3], head.shape)] = 16
    ((severity, maps, problem),) = said(findings_of(good=head, stray=stray))
    assert (severity, maps) == (Severity.WARNING, ("stray",))
    assert "only 3 mm³" in problem
