"""What generator functions of datasets raised, found again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from synthseg_generator.errors import StoreError
from synthseg_generator.feed.element_errors import ElementErrors


def raising(error: Exception, errors: ElementErrors) -> Exception:
    def elements() -> Iterator[int]:
        yield 1
        raise error

    remembered = errors.remember(elements)()
    assert next(remembered) == 1
    with pytest.raises(type(error)) as caught:
        next(remembered)
    assert caught.value is error
    return error


def test_the_latest_exception_that_fits_is_found() -> None:
    errors = ElementErrors()
    raising(StoreError("map bob cannot be read."), errors)
    latest = raising(StoreError("map bob cannot be read."), errors)
    raising(StoreError("map carol cannot be read."), errors)
    assert errors.find("{{node}} StoreError: map bob cannot be read.\n  File ...") is latest


def test_what_was_not_raised_here_is_not_found() -> None:
    errors = ElementErrors()
    raising(StoreError("map bob cannot be read."), errors)
    assert errors.find("ValueError: map bob cannot be read.") is None


def test_old_ones_are_forgotten() -> None:
    errors = ElementErrors(most=2)
    for name in "abc":
        raising(StoreError(name), errors)
    assert errors.find("StoreError: a") is None
    assert errors.find("StoreError: b") is not None
