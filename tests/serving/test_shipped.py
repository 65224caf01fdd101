"""The model that ships with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from synthseg_serving import shipped
from synthseg_serving.errors import ExportError, ModelError
from synthseg_serving.export import export_bundle
from synthseg_serving.shipped import shipped_model_dir, user_cache
from synthseg_trainer.network.bundle import Bundle, save_bundle


def test_is_exported_once(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "w.npz", bundle, np.float16)
    first = shipped_model_dir(tmp_path / "w.npz", tmp_path / "cache")
    assert (first.name, (first / "1" / "saved_model.pb").is_file()) == ("synthseg", True)
    assert [path.name for path in first.parent.iterdir()] == ["synthseg"]
    changed = (first / "1").stat().st_mtime_ns
    assert shipped_model_dir(tmp_path / "w.npz", tmp_path / "cache") == first
    assert (first / "1").stat().st_mtime_ns == changed


def test_export_that_another_process_overtakes_leaves_that_one_s(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundle(tmp_path / "w.npz", bundle, np.float16)
    faster = []

    def overtaken(bundle: Bundle, folder: Path, version: int) -> Path:
        monkeypatch.undo()
        model_dir = shipped_model_dir(tmp_path / "w.npz", tmp_path / "cache")
        faster.append((model_dir, (model_dir / "1").stat().st_mtime_ns))
        return export_bundle(bundle, folder, version)

    monkeypatch.setattr("synthseg_serving.export.export_bundle", overtaken)
    slower = shipped_model_dir(tmp_path / "w.npz", tmp_path / "cache")
    assert faster == [(slower, (slower / "1").stat().st_mtime_ns)]
    assert [path.name for path in slower.parent.iterdir()] == ["synthseg"]


def test_other_weights_are_exported_elsewhere(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "a.npz", bundle, np.float16)
    save_bundle(tmp_path / "b.npz", bundle, np.float32)
    folders = [shipped_model_dir(tmp_path / n, tmp_path / "cache") for n in ("a.npz", "b.npz")]
    assert folders[0].parent != folders[1].parent


def test_an_installation_may_bring_the_export_along(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bundle(tmp_path / "w.npz", bundle, np.float16)
    monkeypatch.setattr(shipped, "PREPARED", tmp_path / "prepared")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    prepared = shipped_model_dir(tmp_path / "w.npz", tmp_path / "prepared")
    assert shipped_model_dir(tmp_path / "w.npz") == prepared
    assert not (tmp_path / "cache").exists()
    save_bundle(tmp_path / "w.npz", bundle, np.float32)  # other weights than those prepared
    assert shipped_model_dir(tmp_path / "w.npz").is_relative_to(tmp_path / "cache")


def test_installation_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights .*give a MODEL_DIR"):
        shipped_model_dir(tmp_path / "none.npz", tmp_path)


def test_cache_that_cannot_be_written_says_what_to_do(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "w.npz", bundle, np.float16)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=r"file/.*Not a directory.*XDG_CACHE_HOME") as caught:
        shipped_model_dir(tmp_path / "w.npz", tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_cache_on_a_full_disk_says_what_to_do(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "x; No space left on device\nmore")

    save_bundle(tmp_path / "w.npz", bundle, np.float16)
    monkeypatch.setattr("synthseg_serving.export.write_warmup", full)
    with pytest.raises(ExportError, match=r"the disk is full\. Make room") as caught:
        shipped_model_dir(tmp_path / "w.npz", tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere/synthseg/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path.home() / ".cache" / "synthseg" / "models"
