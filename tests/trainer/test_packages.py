"""Which package of the trainer may import which, and where its tests lie."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import synthseg_trainer
from rooms import Package

ROOT = Path(synthseg_trainer.__file__).parent
ORDER = ("config", "network", "runs", "evaluation", "training")


def _imports(node: ast.AST) -> Iterator[str]:
    """Modules that code imports, also inside functions, but not for its types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
        yield from _imports(child)


def test_every_package_has_its_place_in_the_order() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == set(ORDER)


@pytest.mark.parametrize("package", ORDER)
def test_packages_import_only_those_before_them(package: str) -> None:
    later = {f"synthseg_trainer.{name}" for name in ORDER[ORDER.index(package) + 1 :]}
    wrong = [
        f"{path.name} imports {module}"
        for path in (ROOT / package).glob("*.py")
        for module in _imports(ast.parse(path.read_text()))
        if ".".join(module.split(".")[:2]) in later
    ]
    assert wrong == []


def test_every_module_has_a_test_at_the_mirrored_path() -> None:
    package = Package(ROOT, ())
    # Names of types.
    assert package.untested_modules(Path(__file__).parent, ("aliases.py",)) == []
