from synthseg_client.report.rendering import ASSETS, as_bytes, render


def test_pages_forbid_all_that_does_not_lie_beside_them() -> None:
    page = render("viewer.html", "", {})
    assert "Content-Security-Policy" in page
    assert "default-src 'none'" in page


def test_names_that_are_no_text_become_bytes_all_the_same() -> None:
    assert as_bytes("a\udcffb") == b"a\\udcffb"


def test_the_viewer_ships_with_its_licences_and_is_not_large() -> None:
    assert (ASSETS / "niivue.js").stat().st_size < 1_500_000
    text = (ASSETS / "niivue.LICENSES.txt").read_text()
    for word in (
        "BSD 2-Clause",
        "niivue 0.69.0",
        "gl-matrix",
        "nifti-reader-js",
        "fflate",
        "Roboto",
    ):
        assert word in text
