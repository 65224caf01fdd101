"""Model configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthseg_serving.errors import ModelError
from synthseg_serving.model_config import read_config_file
from synthseg_serving.versions import VersionPolicy


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(
        """
        model_config_list {
          config {
            name: "a" base_path: "/models/a" model_platform: "tensorflow"
            model_version_policy { specific { versions: 3 versions: 4 } }
            version_labels { key: "stable" value: 3 }
          }
          config { name: "b" base_path: "/models/b" model_type: TENSORFLOW
                   model_version_policy { latest { num_versions: 2 } } }
        }
        """
    )
    first, second = read_config_file(path)
    assert (first.name, first.base_path, first.labels) == ("a", Path("/models/a"), {"stable": 3})
    assert first.policy == VersionPolicy(specific=(3, 4))
    assert second.policy == VersionPolicy(latest=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("model_config", "is no model configuration"),
        ("", "not supported"),
        (r'model_config_list { config { name: "a" base_path: "/x\000y" } }', "absolute path"),
        ('model_config_list { config { name: "a" base_path: "rel" } }', "absolute path"),
        ('model_config_list { config { name: "a" base_path: "/x" } }', "model name is a"),
        ('model_config_list { config { base_path: "/x" } }', "no name"),
    ],
)
def test_bad_files_are_errors_that_name_them(
    tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "models.config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match=message) as error:
        read_config_file(path)
    assert str(path) in str(error.value)


def test_shipped_configuration_is_valid() -> None:
    import synthseg_serving

    folder = Path(synthseg_serving.__file__).parent / "tf_serving"
    (model,) = read_config_file(folder / "models.config")
    assert (model.name, model.base_path) == ("synthseg", Path("/models/synthseg"))
