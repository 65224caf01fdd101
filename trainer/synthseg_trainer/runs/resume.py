"""What a resumed run may change, and where a run begins."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from synthseg_generator.settings.generator import GeneratorSettings, generator_settings

from synthseg_trainer.aliases import Json, JsonObject
from synthseg_trainer.config import TrainSettings
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.places import Place
from synthseg_trainer.runs.checkpoints import Checkpoint, latest_checkpoint
from synthseg_trainer.runs.provenance import settings_as_json

# What does not change the samples nor what is learned from them.
_FREE = (
    "store",
    "initial_weights",
    "checkpoint_steps",
    "keep_checkpoints",
    "keep_every_steps",
    "log_steps",
    "devices",
    "validation.every_steps",
    "validation.samples",
    "validation.seed",
    "validation.generator",
)


def checkpoint_to_resume(
    run: Path, settings: TrainSettings, resume: bool, place: Place | None = None
) -> Checkpoint | None:
    """The newest checkpoint of a run; `None` if it has none yet.

    Args:
        run: Its folder.
        settings: Those of now.
        resume: Whether to go on from it.
        place: What messages call the run; its folder by default.

    Raises:
        CheckpointError: The folder holds checkpoints and `resume` is false, or they were made with
            other settings.
    """
    found = latest_checkpoint(run)
    if found is None:
        return None
    if not resume:
        raise CheckpointError(
            f"{place or run} already holds a run at step {found.step}: "
            "pass --resume to go on, or name another folder."
        )
    difference = resume_difference(found.state["settings"], settings, found.step)
    if difference:
        raise CheckpointError(
            f"{place or run} was trained with other settings: {'; '.join(difference)}. Restore "
            f"them, or start another run from it: --run OTHER --initial-weights {place or run}."
        )
    return found


def check_data(found: Checkpoint, data: str, settings: TrainSettings, place: Place) -> None:
    """Refuses to go on with other data.

    Args:
        found: The checkpoint.
        data: Digest of the data of now.
        settings: The run.
        place: What messages call the run.

    Raises:
        CheckpointError: It was trained on others.
    """
    # Checkpoints of the first version do not name their data.
    if found.state.get("data", data) != data:
        raise CheckpointError(
            f"{place} was trained on other data than {settings.store} holds now. "
            "Restore them, or start another folder."
        )


def resume_difference(theirs: JsonObject, settings: TrainSettings, done: int) -> list[str]:
    """What a resumed run would change and must not, as `name: old -> new`.

    Steps may change from the stage on that the run has reached, stages may follow those known.

    Args:
        theirs: Settings of the checkpoint; what they do not name was not known to the version that
            wrote them, and has its default.
        settings: Those of now.
        done: Steps done.
    """
    ours = settings_as_json(settings)
    known = _completed(theirs, settings)
    shared = min(len(ours["stages"]), len(known["stages"]))
    free = [*_FREE, *(f"stages[{i}].name" for i in range(shared))]
    begun, end = 0, 0
    for index, stage in enumerate(known["stages"]):
        begun, end = end, end + stage["steps"]
        if index < shared and done <= end:
            free.append(f"stages[{index}].steps")
        if index >= shared and done > begun:
            return [f"stages: {len(known['stages'])} -> {len(ours['stages'])}, at step {done}"]
    if settings.total_steps < done:
        return [f"steps: {done} are done, {settings.total_steps} are asked for"]
    old, new = ({**s, "stages": s["stages"][:shared]} for s in (known, ours))
    return [*settings_difference(old, new, free), *_overtaken(known, ours, done)]


def _overtaken(known: JsonObject, ours: JsonObject, done: int) -> list[str]:
    """The stage in which the run is, if it would now end before the steps that are done."""
    begun = 0
    for index, (old, new) in enumerate(zip(known["stages"], ours["stages"], strict=False)):
        if done <= begun + old["steps"]:
            taken = done - begun
            short = taken > 0 and new["steps"] < taken
            change = f"stages[{index}].steps: {old['steps']} -> {new['steps']}"
            return [f"{change}, but {taken} are done"] if short else []
        begun += old["steps"]
    return []


def _completed(values: Json, settings: object) -> Json:
    """Old settings with the defaults of what they do not name, in the form of now."""
    if isinstance(settings, GeneratorSettings):
        return json.loads(json.dumps(dataclasses.asdict(generator_settings(values))))
    if isinstance(values, Mapping) and dataclasses.is_dataclass(settings):
        known = dict(values)
        for field in dataclasses.fields(settings):
            if field.name in known:
                known[field.name] = _completed(known[field.name], getattr(settings, field.name))
            else:
                known[field.name] = _default_of(field)
        return known
    if isinstance(values, list) and isinstance(settings, tuple):
        pairs = zip(values, settings, strict=False)
        return [*(_completed(*pair) for pair in pairs), *values[len(settings) :]]
    return values


def _default_of(field: dataclasses.Field[Json]) -> Json:
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    else:
        default = None if field.default is dataclasses.MISSING else field.default
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        default = dataclasses.asdict(default)
    return json.loads(json.dumps(default, default=dataclasses.asdict))


def settings_difference(old: Json, new: Json, free: Sequence[str], path: str = "") -> list[str]:
    """Where two nested settings differ, as `name: old -> new`, but for the names in `free`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [name for name in {**old, **new} if f"{path}{name}" not in free]
        return [
            line
            for name in names
            for line in settings_difference(old.get(name), new.get(name), free, f"{path}{name}.")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [
            line
            for i, (a, b) in pairs
            for line in settings_difference(a, b, free, f"{path[:-1]}[{i}].")
        ]
    return [] if old == new else [f"{path[:-1]}: {old!r} -> {new!r}"]
