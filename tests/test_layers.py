"""Which part may import which, and what importing a part costs."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = {
    "synthseg_common": REPOSITORY / "common",
    "synthseg_client": REPOSITORY / "client",
    "synthseg_generator": REPOSITORY / "generator",
    "synthseg_trainer": REPOSITORY / "trainer",
    "synthseg_serving": REPOSITORY / "serving",
}
# What each part may import of the others.
ALLOWED = {
    "synthseg_common": set(),
    "synthseg_client": {"synthseg_common"},
    "synthseg_generator": {"synthseg_common"},
    "synthseg_trainer": {"synthseg_common", "synthseg_generator"},
    "synthseg_serving": {"synthseg_common", "synthseg_trainer"},
}
# What the ground floor may need beside Python itself.
# fsspec, which an extra brings, is loaded by whoever reaches for a URL.
LIGHT = {"click", "fsspec", "nibabel", "numpy", "synthseg_common"}
# What only functions of its telemetry import, where somebody asked for it.
OF_TELEMETRY = {"opentelemetry", "prometheus_client"}
# Of its modules, those that tell names, numbers and tables alone, and those that count with arrays.
FACTS = ("contract", "errors", "formats", "labels", "processing")
ARITHMETIC = ("colours", "files", "label_types", "resampling")
HEAVY = ("tensorflow", "keras", "jax", "torch")
EXTRAS = (*HEAVY, "tensorflow_serving", "dask", "distributed", "h5py", "matplotlib", "yaml", "zarr")
# What the extras of generator and trainer install, and that of serving does not.
NOT_SERVED = ("dask", "distributed", "fsspec", "matplotlib", "numcodecs", "tensorboard", "zarr")
COMMANDS = ("synthseg-client", "synthseg-generator", "synthseg-trainer", "synthseg-serving")
LIGHT_GENERATOR_MODULES = (
    "errors",
    "label_table",
    "settings.generator",
    "draws.sample_parameters",
    "store.label_store",
    "cli",
)


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path}: relative import; the layers are read from absolute ones"
            )
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(module: str, owner: str) -> bool:
    return module == owner or module.startswith(f"{owner}.")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def heavy_after(statements: str) -> list[str]:
    """Which heavy packages a fresh interpreter holds after these statements."""
    report = f"import json, sys; print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))"
    return list(json.loads(run_python(f"{statements}\n{report}").splitlines()[-1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    broken = [
        f"{path.relative_to(REPOSITORY)} imports {module}"
        for path in sorted((PACKAGES[package] / package).rglob("*.py"))
        for module in imported_modules(path)
        if any(is_within(module, other) for other in PACKAGES if other != package)
        and not any(is_within(module, allowed) for allowed in ALLOWED[package])
    ]
    assert broken == []


def test_the_ground_floor_needs_light_packages_alone() -> None:
    folder = PACKAGES["synthseg_common"] / "synthseg_common"
    needed = {
        module.partition(".")[0]
        for path in folder.rglob("*.py")
        for module in imported_modules(path)
    }
    assert needed - set(sys.stdlib_module_names) == LIGHT | OF_TELEMETRY
    modules = pkgutil.walk_packages([str(folder)], "synthseg_common.")
    everything = "\n".join(f"import {module.name}" for module in modules)
    assert not {name.partition(".")[0] for name in modules_after(everything)} & OF_TELEMETRY


def test_each_folder_installs_its_own_package_alone() -> None:
    for package, folder in PACKAGES.items():
        installable = {path.parent.name for path in folder.glob("*/__init__.py")}
        assert installable == {package}
        assert (folder / package / "py.typed").is_file()
        assert (folder / package / "errors.py").is_file()


def test_whole_client_imports_without_tensorflow() -> None:
    folder = PACKAGES["synthseg_client"] / "synthseg_client"
    modules = pkgutil.walk_packages([str(folder)], "synthseg_client.")
    names = [m.name for m in modules if not m.name.endswith("__main__")]
    assert {"synthseg_client.cli", "synthseg_client.calls.session"} <= set(names)
    assert heavy_after("\n".join(f"import {name}" for name in names)) == []


def test_generator_settings_and_store_import_without_tensorflow() -> None:
    lines = [f"import synthseg_generator.{name}" for name in LIGHT_GENERATOR_MODULES]
    assert heavy_after("\n".join(lines)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_version_load_nothing_heavy(command: str) -> None:
    module = command.replace("-", "_")
    code = f"""
from click.testing import CliRunner
from {module}.cli import main
for argument in ("--help", "--version"):
    result = CliRunner().invoke(main, [argument], prog_name={command!r})
    assert result.exit_code == 0, result.output
    print(result.output)
for name in main.commands:
    result = CliRunner().invoke(main, [name, "--help"], prog_name={command!r})
    assert result.exit_code == 0, result.output
"""
    assert heavy_after(code) == []


@pytest.mark.parametrize(
    ("command", "arguments", "extra"),
    [
        ("synthseg-client", ["labels"], "serving"),
        ("synthseg-generator", ["preview", "labels.zarr", "picture.png"], "generator"),
        ("synthseg-trainer", ["train", "laptop", "--store", "s.zarr", "--run", "run"], "trainer"),
        ("synthseg-serving", ["serve", "models"], "serving"),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(
    command: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    code = f"""
import os, sys
os.chdir({str(tmp_path)!r})
sys.modules.update(dict.fromkeys({EXTRAS!r}))
from click.testing import CliRunner
from {command.replace("-", "_")}.cli import main
result = CliRunner().invoke(main, {arguments!r}, prog_name={command!r})
print(result.exit_code, result.output.strip().splitlines()[-1], repr(result.exception))
"""
    said = run_python(code)
    assert said.startswith(("1", "2")), said
    assert f"pip install 'synthseg-serving[{extra}]'" in said
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_model_is_served_with_what_the_extra_of_serving_installs(
    tmp_path: Path,
) -> None:
    folder = PACKAGES["synthseg_serving"] / "synthseg_serving"
    names = [m.name for m in pkgutil.iter_modules([str(folder)]) if m.name != "__main__"]
    imports = "\n".join(f"import synthseg_serving.{name}" for name in names)
    weights, models = folder / "weights" / "synthseg.npz", tmp_path / "models"
    run_python(f"""
import sys
sys.modules.update(dict.fromkeys({NOT_SERVED!r}))
{imports}
synthseg_serving.cli.main(["export", {str(weights)!r}, {str(models)!r}])
""")
    assert (models / "1" / "saved_model.pb").is_file()


def modules_after(code: str) -> set[str]:
    return set(run_python(f"{code}\nimport sys; print('\\n'.join(sys.modules))").splitlines())


def test_client_help_loads_only_what_it_prints() -> None:
    code = """
from click.testing import CliRunner
from synthseg_client.cli import main
for arguments in ([], ["segment"], ["labels"]):
    assert CliRunner().invoke(main, [*arguments, "--help"]).exit_code == 0
"""
    assert {"nibabel", "scipy", "grpc"} & modules_after(code) == set()


@pytest.mark.parametrize(
    ("modules", "not_needed"),
    [
        (FACTS, {"click", "nibabel", "numpy"}),
        (ARITHMETIC, {"click", "nibabel"}),
    ],
)
def test_what_stands_on_the_ground_floor_is_had_alone(
    modules: tuple[str, ...], not_needed: set[str]
) -> None:
    loaded = modules_after(f"from synthseg_common import {', '.join(modules)}")
    assert not_needed & loaded == set()
