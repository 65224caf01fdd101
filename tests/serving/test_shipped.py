"""The model that ships with the package."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from synthseg_serving.errors import ModelError
from synthseg_serving.shipped import shipped_model_dir, user_cache
from synthseg_trainer.network.bundle import Bundle, save_bundle


def test_is_exported_once_even_by_two_at_once(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "w.npz", bundle, np.float16)
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: shipped_model_dir(tmp_path / "w.npz", cache), range(2))
    assert first == second
    assert (first.name, (first / "1" / "saved_model.pb").is_file()) == ("synthseg", True)
    assert [path.name for path in first.parent.iterdir()] == ["synthseg"]
    changed = (first / "1").stat().st_mtime_ns
    assert shipped_model_dir(tmp_path / "w.npz", cache) == first
    assert (first / "1").stat().st_mtime_ns == changed


def test_other_weights_are_exported_elsewhere(bundle: Bundle, tmp_path: Path) -> None:
    save_bundle(tmp_path / "a.npz", bundle, np.float16)
    save_bundle(tmp_path / "b.npz", bundle, np.float32)
    folders = [shipped_model_dir(tmp_path / n, tmp_path / "cache") for n in ("a.npz", "b.npz")]
    assert folders[0].parent != folders[1].parent


def test_installation_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no weights .*give a MODEL_DIR"):
        shipped_model_dir(tmp_path / "none.npz", tmp_path)


def test_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere/synthseg/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache() == Path.home() / ".cache" / "synthseg" / "models"
