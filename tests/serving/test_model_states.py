"""When a version that did not load is worth another try."""

from __future__ import annotations

from synthseg_serving.model_states import Failure

BEFORE = (("saved_model.pb", 10, 1),)
GROWING = (("saved_model.pb", 20, 2),)
WHOLE = (("saved_model.pb", 30, 3),)


def test_a_folder_that_has_changed_and_is_at_rest_is_tried_again() -> None:
    failure = Failure("broken", tried=BEFORE, seen=BEFORE)
    assert not failure.is_outdated(BEFORE)
    # Somebody copies slowly: it changes between two looks.
    assert not failure.is_outdated(GROWING)
    assert not failure.is_outdated(WHOLE)
    assert failure.is_outdated(WHOLE)
