"""The example of `examples/own_anatomy`, from label maps to a scored segmentation.

Once small, coarse, of one contrast and in this process; once (slow) as its README has it.
"""

from __future__ import annotations

import csv
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from loading import load_nifti

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "own_anatomy"
STEPS = 60
NAMES = ["spine", "aorta", "bladder", "liver", "stomach", "left kidney", "right kidney"]


@dataclass(frozen=True)
class Outcome:
    """What the commands left and said."""

    folder: Path
    checked: str
    labels: str
    status: dict[str, Any]


def run(command: click.Command, *arguments: object) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def settings_of_one_contrast(phantom: dict[str, Any]) -> dict[str, Any]:
    """The example's settings, for a network that learns what a CT-like scan shows in seconds."""
    settings: dict[str, Any] = yaml.safe_load((EXAMPLE / "train.yaml").read_text())
    bright = [200 + 0.2 * value for value in phantom["CT_LIKE"].values()]
    # Classes are those of `labels.yaml`: the kidneys share the last one.
    means = [[value, 2] for value in bright[:-1]]
    settings["network"] |= {"n_levels": 3, "features": 8}
    settings["generator"] |= {
        "crop": {"shape": [40, 32, 40]},
        "mixture": {
            "specific_means": [{"distribution": "normal", "rows": means}],
            "specific_stds": [{"rows": [[0, 4]]}],
        },
        "affine": {"rotation_deg": [-3, 3], "scaling": [0.95, 1.05]},
        "elastic": {"strength": [0, 0.5]},
        "bias_field": {"strength": [0, 0]},
        "gamma_std": 0.05,
        "acquisition": {"native_probability": 1},
    }
    settings["stages"][0] |= {"steps": STEPS, "loss": "cross_entropy", "learning_rate": 0.01}
    settings["validation"] = {}
    return settings


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    from synthseg_client.cli import main as client
    from synthseg_generator.cli import main as generator
    from synthseg_serving.cli import main as serving
    from synthseg_serving.server import Server, ServerSettings
    from synthseg_serving.versions import ModelConfig
    from synthseg_trainer.cli import main as trainer

    folder = tmp_path_factory.mktemp("abdomen")
    data, store, run_folder = folder / "data", folder / "labels.zarr", folder / "run"
    phantom = runpy.run_path(str(EXAMPLE / "make_phantom.py"))
    arguments = [str(data), "--subjects", "3", "--voxel-mm", "4"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make_phantom.py", *arguments])
        phantom["main"]()
    run(generator, "ingest", data / "label_maps", store, "--labels", EXAMPLE / "labels.yaml")
    checked = run(generator, "check", store)
    (folder / "train.yaml").write_text(yaml.safe_dump(settings_of_one_contrast(phantom)))
    run(trainer, "train", folder / "train.yaml", "--store", store, "--run", run_folder)
    run(serving, "export", run_folder, folder / "models")
    address = f"unix:{tmp_path_factory.mktemp('s')}/s"
    model = ModelConfig(name="synthseg", base_path=folder / "models")
    server = Server((model,), ServerSettings(threads=2, addresses=(address,)))
    try:
        places = ["--i", data / "scans" / "ct_like.nii.gz", "--o", folder / "ct_like.nii.gz"]
        places += ["--vol", folder / "volumes.csv", "--server", address]
        run(client, "segment", *places)
        labels = run(client, "labels", "--server", address)
        status = json.loads(run(client, "status", "--json", "--server", address))
    finally:
        server.stop(0)
    return Outcome(folder, checked, labels, status)


def test_good_maps_have_nothing_to_complain_about(outcome: Outcome) -> None:
    assert "3 maps: 0 errors, 0 warnings." in outcome.checked


def test_the_segmentation_is_one_of_the_scan_at_the_maps_voxel_size(outcome: Outcome) -> None:
    image = load_nifti(outcome.folder / "ct_like.nii.gz")
    truth = load_nifti(outcome.folder / "data" / "truth" / "ct_like.nii.gz")
    assert image.shape == truth.shape == (40, 32, 40)
    np.testing.assert_allclose(image.affine, truth.affine)
    found, there = (np.asarray(i.dataobj) for i in (image, truth))
    assert set(np.unique(found)) <= {0, 10, 11, 12, 13, 14, 20, 30}
    # The spine stands out and is learnt first; that the rest is learnt too takes the whole example.
    for value, least in ((10, 0.5), (13, 0.2)):
        both = (found == value) & (there == value)
        assert 2 * both.sum() / ((found == value).sum() + (there == value).sum()) > least


def test_volumes_and_label_table_carry_the_names(outcome: Outcome) -> None:
    with (outcome.folder / "volumes.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["subject", *NAMES]
    assert float(row[header.index("liver")]) > 100_000
    for name in NAMES:
        assert name in outcome.labels


def test_the_served_model_carries_recipe_and_anatomy(outcome: Outcome) -> None:
    assert outcome.status["anatomy"] == "abdomen"
    assert outcome.status["voxel_size_mm"] == 4
    assert outcome.status["mirrored"] is False
    assert outcome.status["limits"]["least_size"] == 32
    training = outcome.status["training"]
    assert training["step"] == STEPS
    (stage,) = training["settings"]["stages"]
    assert stage["loss"] == "cross_entropy"
    assert stage["generator"]["crop"]["shape"] == [40, 32, 40]


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_the_commands_of_the_readme_learn_to_segment_another_contrast(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    (commands,) = re.findall(r"```bash\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    with (tmp_path / "dice.csv").open(newline="") as file:
        rows = {row["subject"]: row for row in csv.DictReader(file)}
    for name in ("ct_like", "mr_like"):
        assert float(rows[name]["mean"]) > 0.65
