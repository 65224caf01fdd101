from __future__ import annotations

from synthseg_client.calls.deadlines import default_timeout_s


def test_the_default_deadline_grows_with_the_scan() -> None:
    small, large = (default_timeout_s(n**3) for n in (96, 256))
    assert large > 2 * small
    assert default_timeout_s(96**3, flip=False) < small
