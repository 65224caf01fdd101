import re

import pytest
from synthseg_client.report.slugs import slugs_of


def test_names_are_safe_in_addresses_and_never_alike() -> None:
    names = [
        "sub-01",
        "sub-01",
        "../../etc/passwd",
        "<b>",
        "Ärztin #7?",
        "x" * 300,
        "\udcff",
        ".",
        "",
    ]
    slugs = slugs_of(names)
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[\w.-]+", slug, re.ASCII) and len(slug) < 70 for slug in slugs)
    assert slugs[0] == "1-sub-01"


@pytest.mark.parametrize("count", [9, 10, 2000])
def test_files_sort_as_the_scans_do(count: int) -> None:
    slugs = slugs_of(["scan"] * count)
    assert slugs == sorted(slugs)
