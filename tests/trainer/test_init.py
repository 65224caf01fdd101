"""What the part offers at its top."""

from __future__ import annotations

import subprocess
import sys

import pytest
import synthseg_trainer


@pytest.mark.parametrize("name", synthseg_trainer.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(synthseg_trainer, name) is not None
    assert name in dir(synthseg_trainer)


def test_a_name_that_there_is_not_is_refused_as_python_does() -> None:
    with pytest.raises(AttributeError, match="'synthseg_trainer' has no attribute 'nothing'"):
        synthseg_trainer.nothing  # noqa: B018


def test_importing_it_its_errors_and_settings_loads_nothing_heavy() -> None:
    code = (
        "import sys, synthseg_trainer as t; t.TrainerError; t.TrainSettings; t.load_bundle\n"
        "import synthseg_trainer.aliases\n"
        "print(sorted({'tensorflow', 'keras', 'dask', 'zarr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
