"""What Sphinx cannot know of the pages: other Markdown files, and names of files and settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from synthseg_trainer.config import LossWeights, NetworkSettings, Stage, TrainSettings

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
ARCHITECTURE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = sorted(REPOSITORY.glob("*/synthseg_*"))
# Those below docs/ are Sphinx's, whose warnings are errors in `make docs`.
PAGES = sorted(
    path
    for folder in (".", ".github", "examples/*", "k8s", "serving/**")
    for path in REPOSITORY.glob(f"{folder}/*.md")
)


def anchors(path: Path) -> set[str]:
    """The names that code hosts give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {text.replace(" ", "-") for text in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_between_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not heading or heading in anchors(file), target


def folder_tree() -> Iterator[str]:
    """The folders that the tree of the architecture page names, from the repository's root."""
    (tree,) = re.findall(r"```text\n(.*?)```", ARCHITECTURE, re.DOTALL)
    above = ""
    for line in tree.splitlines():
        name = line.split()[0]
        if line.startswith(" "):
            yield f"{above}{name}"
        else:
            above = name
            yield name


def test_the_folder_tree_names_every_room_and_no_other() -> None:
    named = set(folder_tree())
    assert [name for name in sorted(named) if not (REPOSITORY / name).is_dir()] == []
    rooms = {
        f"{room.relative_to(REPOSITORY)}/"
        for package in PACKAGES
        for room in (package, *package.iterdir())
        if room.is_dir() and not room.name.startswith("__") and any(room.iterdir())
    }
    ours = {name for name in named if "/synthseg_" in name}
    assert {room for room in rooms if "recipes" not in room} - ours == set()


@pytest.mark.parametrize("page", ["docs/explanation/architecture.md", "CONTRIBUTING.md"])
def test_the_places_to_look_at_exist(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    places = re.findall(r"`([\w/-]+/(?:[\w-]+\.(?:py|yaml|md))?)`", text)
    assert len(places) > 12
    assert [place for place in places if not (REPOSITORY / place).exists()] == []


@pytest.mark.parametrize("drawing", sorted((DOCS / "images").glob("*.svg")), ids=lambda p: p.stem)
def test_the_modules_in_a_drawing_exist(drawing: Path) -> None:
    small_print = re.findall(r'class="where"[^>]*>([^<]+)<', drawing.read_text(encoding="utf-8"))
    names = {name.strip() for text in small_print for name in text.split(",")} - {"in production"}
    assert len(names) > 10
    for name in names:
        path = name.removeprefix("synthseg_common.").replace(".", "/")
        assert any(
            (package / path).is_dir() or (package / f"{path}.py").is_file() for package in PACKAGES
        ), name


def names_of(settings: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(settings)}


def test_the_table_of_training_settings_names_settings() -> None:
    page = (DOCS / "reference" / "training-settings.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("| ")]
    network = re.findall(r"`network\.(\w+)", " ".join(rows))
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    # What stages, the run and its file have, and values of these.
    known = names_of(TrainSettings) | names_of(Stage) | names_of(LossWeights)
    known |= {"epochs", "steps_per_epoch", "generator", "adam", "muon"}
    known |= {"wl2", "dice", "cross_entropy", "dice_cross_entropy"}
    assert set(network) <= names_of(NetworkSettings)
    assert named - known == set()
    # These have sections of their own.
    assert names_of(TrainSettings) - named <= {"network", "supervised", "devices"}


def workflow_steps() -> Iterator[dict[str, Any]]:
    for path in (REPOSITORY / ".github" / "workflows").iterdir():
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path
        for job in workflow["jobs"].values():
            assert "permissions" not in job, path
            yield from job["steps"]


def test_workflows_may_only_read_and_take_actions_by_their_content() -> None:
    used = [step["uses"] for step in workflow_steps() if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_the_report_of_a_fault_asks_for_the_doctor_and_no_patient() -> None:
    form = (REPOSITORY / ".github/ISSUE_TEMPLATE/bug_report.yml").read_text(encoding="utf-8")
    fields = {field.get("id"): field for field in yaml.safe_load(form)["body"]}
    assert "synthseg-client doctor" in fields["doctor"]["attributes"]["label"]
    assert fields["doctor"]["validations"]["required"]
    assert fields["private"]["attributes"]["options"][0]["required"]
