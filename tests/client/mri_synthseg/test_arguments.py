from __future__ import annotations

import pytest
from synthseg_client.errors import UsageError
from synthseg_client.mri_synthseg.arguments import Arguments, parse_arguments
from synthseg_client.options import Crop, Options
from synthseg_common.processor import available_cores


def _options(*words: str) -> Options:
    return parse_arguments(words).options()


def test_every_flag_of_freesurfer_is_taken() -> None:
    words = "--i a.nii --o b.nii --parc --robust --fast --ct --vol v --qc q --post p --resample r"
    more = "--crop 64 80 96 --threads 4 --cpu --keepgeom --addctab --noaddctab --model m.h5"
    given = parse_arguments([*words.split(), *more.split()])
    assert (given.i, given.o, given.vol, given.qc) == ("a.nii", "b.nii", "v", "q")
    assert given.crop == [64, 80, 96]
    assert given.options() == Options(
        crop=Crop.of_size([64, 80, 96]),
        fast=True,
        ct=True,
        keep_geometry=True,
        network="robust",
        parcels=True,
        quality=True,
    )


@pytest.mark.parametrize(
    ("short", "name"),
    [
        ("--k", "keepgeom"),
        ("--keep", "keepgeom"),
        ("--rob", "robust"),
        ("--par", "parc"),
        ("--au", "autocrop"),
        ("--no", "noaddctab"),
        ("--cp", "cpu"),
    ],
)
def test_flags_may_be_shortened_as_there(short: str, name: str) -> None:
    assert getattr(parse_arguments(["--i", "a", short]), name) is True


def test_values_may_follow_an_equals_sign_and_shortened_flags() -> None:
    given = parse_arguments(["--i=a.nii", "--th", "3", "--q", "q.csv", "--cr", "96"])
    assert (given.i, given.threads, given.qc, given.crop) == ("a.nii", 3, "q.csv", [96])


def test_our_own_flags_are_taken_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "--server h:1 --keep-server 2.5 --as-original --qc-grid 96 --i a --crop 64 64 64"
    given = parse_arguments(words.split())
    assert (given.server, given.keep_server, given.as_original) == ("h:1", 2.5, True)
    assert given.options().scored_size == 96
    assert given.crop == [64, 64, 64]
    monkeypatch.setenv("SYNTHSEG_SERVER", "other:2")
    monkeypatch.setenv("SYNTHSEG_KEEP_SERVER", "7")
    given = parse_arguments(["--i", "a"])
    assert (given.server, given.keep_server) == ("other:2", 7)
    monkeypatch.setenv("SYNTHSEG_KEEP_SERVER", "long")
    with pytest.raises(UsageError, match="SYNTHSEG_KEEP_SERVER is 'long'"):
        parse_arguments(["--i", "a"])


@pytest.mark.parametrize(
    "words",
    [
        ["--i", "a", "b"],
        ["--unknown"],
        ["--a"],  # --addctab or --autocrop
        ["--crop", "x"],
        ["--crop"],
        ["--threads", "x"],
        ["--keep-server", "-1"],
        ["--keep-server", "inf"],
        ["positional"],
    ],
)
def test_what_the_parser_refuses_ends_with_two(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments(words)
    assert end.value.code == 2
    assert "usage: mri_synthseg" in capsys.readouterr().err


def test_help_tells_of_all_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments(["-h"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert all(flag in told for flag in ("--noaddctab", "--model", "--keep-server", "--qc-grid"))


def test_the_whole_scan_is_segmented_unless_told_otherwise() -> None:
    assert _options("--i", "a").crop == Crop.none()
    assert _options("--autocrop").crop == Crop.content()
    assert _options("--crop", "60").crop.size == (64, 64, 64)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--robust --v1", "--v1 cannot be used with --robust"),
        ("--crop 64 --autocrop", "--autocrop cannot be used with --crop"),
        ("--crop 64 64", "--crop takes one positive number"),
        ("--crop 0", "--crop takes one positive number"),
        ("--photo both", "photographs of brain slices"),
        ("--qc q.csv --qc-grid 100", "multiple of 16"),
    ],
)
def test_contradictions_are_refused(words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _options(*words.split())


def test_negative_threads_are_all_cores() -> None:
    assert parse_arguments(["--threads", "-1"]).cores == available_cores()
    assert parse_arguments(["--threads", "3"]).cores == 3
    assert parse_arguments([]).cores == 1


def test_a_model_of_ones_own_takes_the_place_of_the_plain_one() -> None:
    given = parse_arguments(["--v1", "--model", "m.h5"])
    assert given.options().network == "chosen"
    assert given.version == "m.h5"
    robust = parse_arguments(["--robust", "--model", "m.h5"])
    assert robust.model_file is None
    assert robust.version == "SynthSeg-robust 2.0"
    with pytest.raises(UsageError, match="not for --server"):
        parse_arguments(["--model", "m.h5", "--server", "h:1"]).refuse_contradictions()


def test_the_version_is_called_as_there() -> None:
    assert Arguments().version == "SynthSeg 2.0"
    assert Arguments(fast=True).version == "SynthSeg 2.0 (fast)"
    assert Arguments(v1=True, fast=True).version == "SynthSeg 1.0 (fast)"
    assert Arguments(robust=True, fast=True).version == "SynthSeg-robust 2.0"
