from __future__ import annotations

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.storage.addresses import is_address, is_plain_key, parts_of_address


def test_an_address_has_a_scheme_a_bucket_and_a_key() -> None:
    assert parts_of_address("gs://b/x/y.nii.gz") == ("gs", "b", "x", "y.nii.gz")
    assert parts_of_address("az://b/x/") == ("az", "b", "x")
    assert parts_of_address("s3://b") == ("s3", "b")
    assert not is_address("/data/s3:/b")
    assert not is_address("s.nii.gz")


@pytest.mark.parametrize("text", ["ftp://b/x", "s3://", "s3:///x", "s3://b/../x", "s3://b//x"])
def test_what_cannot_be_shown_as_a_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=text):
        parts_of_address(text)
    assert not is_plain_key(["a", ""])
