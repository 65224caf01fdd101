from __future__ import annotations

import stat
from pathlib import Path

import pytest
from synthseg_client.errors import EmbeddedServerError
from synthseg_client.mri_synthseg.private_folder import private_folder


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("synthseg_client.mri_synthseg.private_folder._LONGEST", 300)
    return tmp_path


def test_it_is_the_user_s_alone(runtime: Path) -> None:
    folder = private_folder()
    assert folder == runtime / "synthseg"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_folder() == folder


def test_without_a_folder_of_the_system_s_it_is_where_every_job_finds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert private_folder().parent == Path("/tmp")


def test_what_others_may_enter_or_have_made_is_refused(runtime: Path, tmp_path: Path) -> None:
    folder = runtime / "synthseg"
    folder.mkdir(mode=0o700)
    folder.chmod(0o750)
    with pytest.raises(EmbeddedServerError, match="not a folder of this user alone"):
        private_folder()
    folder.rmdir()
    (tmp_path / "other").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "other")
    with pytest.raises(EmbeddedServerError, match="not a folder of this user alone"):
        private_folder()
    folder.unlink()
    folder.touch()
    with pytest.raises(EmbeddedServerError, match="cannot be made"):
        private_folder()
