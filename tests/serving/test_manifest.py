"""A model that was changed on its way is refused, and says which file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from server_calls import Running
from synthseg_serving.errors import ModelError
from synthseg_serving.manifest import MANIFEST, SIGNATURE, check_version, write_manifest
from synthseg_serving.servable import Servable
from synthseg_serving.versions import ModelConfig

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def version(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of an exported version."""
    return Path(shutil.copytree(model_dir / "1", tmp_path / "synthseg" / "1"))


def variables(version: Path) -> Path:
    (data,) = (version / "variables").glob("*.data*")
    return data


def change_one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_an_export_is_as_its_manifest_says_also_to_sha256sum(version: Path, run_main: Run) -> None:
    assert run_main("check-model", version)[0] == 0
    command = ["sha256sum", "--check", "--strict", "--quiet", MANIFEST]
    subprocess.run(command, cwd=version, check=True)
    change_one_byte(variables(version))
    assert subprocess.run(command, cwd=version, check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize("harm", ["changed", "missing", "is not of this model"])
def test_a_changed_model_is_not_loaded(version: Path, harm: str) -> None:
    harmed = variables(version)
    if harm == "changed":
        change_one_byte(harmed)
    elif harm == "missing":
        harmed.unlink()
    else:
        harmed = version / "assets.extra" / "other"
        harmed.write_text("more requests to start with")
    with pytest.raises(ModelError, match=f"^{harmed} .*{harm}"):
        Servable(version, 1, 1)


def test_what_is_no_manifest_is_refused(version: Path) -> None:
    (version / MANIFEST).write_text("nothing\n")
    with pytest.raises(ModelError, match="is broken"):
        check_version(version)


def test_a_version_of_before_is_served_unless_a_key_is_asked_for(
    version: Path, keys: tuple[Path, Path], run_main: Run
) -> None:
    (version / MANIFEST).unlink()
    assert not check_version(version)
    assert run_main("check-model", version)[0] != 0
    with pytest.raises(ModelError, match="older exports have none"):
        check_version(version, keys[1])


def test_only_what_was_signed_is_served(
    start: Callable[..., Running], version: Path, keys: tuple[Path, Path], run_main: Run
) -> None:
    private, public = keys
    config = ModelConfig(name="synthseg", base_path=version.parent)
    with pytest.raises(ModelError, match="is not signed"):
        start(config, model_key=public)
    assert run_main("sign", version, "--key", private) == (0, f"{version / SIGNATURE}\n")
    assert start(config, model_key=public).server.manager.available("synthseg") == [1]


def test_a_signature_is_for_one_content_under_one_number(
    version: Path, keys: tuple[Path, Path], run_main: Run
) -> None:
    run_main("sign", version, "--key", keys[0])
    renamed = version.rename(version.with_name("2"))
    with pytest.raises(ModelError, match="signed under another version number"):
        check_version(renamed, keys[1])
    version = renamed.rename(version)
    change_one_byte(variables(version))
    with pytest.raises(ModelError, match="was changed"):
        check_version(version, keys[1])
    write_manifest(version, 1)
    with pytest.raises(ModelError, match="is no signature for"):
        check_version(version, keys[1])
    assert run_main("check-model", version)[0] == 0


def test_what_was_changed_is_not_signed(
    version: Path, keys: tuple[Path, Path], run_main: Run
) -> None:
    change_one_byte(variables(version))
    code, said = run_main("sign", version, "--key", keys[0])
    assert code != 0
    assert "was changed since its export" in said
    assert not (version / SIGNATURE).exists()
