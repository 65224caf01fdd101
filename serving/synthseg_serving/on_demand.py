"""Models that are listed and loaded only when somebody asks for them.

A laptop that segments one scan with one network of a set need not hold the others.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tensorflow_serving.apis import model_pb2

from synthseg_serving.errors import CallError
from synthseg_serving.manager import ModelManager, State, wanted_versions
from synthseg_serving.model_states import ModelState
from synthseg_serving.servable import Servable
from synthseg_serving.versions import ModelConfig, stamp_of

log = logging.getLogger(__name__)

_READY_STATES = (State.START, State.AVAILABLE)


class OnDemandManager(ModelManager):
    """Loads a model when the first request for it comes.

    That request and others for the model wait; those for models that are there go on. A model that
    nobody asked for has the state START, in TF Serving's words: known, and nothing done about it.
    The poller leaves it alone.
    """

    def __init__(
        self,
        threads: int,
        labels_for_unavailable: bool = False,
        model_key: Path | None = None,
    ) -> None:
        """Starts without models; see `ModelManager`."""
        super().__init__(threads, labels_for_unavailable, model_key)
        self._staged_versions: dict[str, list[int]] = {}

    @contextmanager
    def acquire(self, spec: model_pb2.ModelSpec) -> Iterator[Servable]:
        """Hands out a version, loaded first if it has to be; see `ModelManager.acquire`.

        Raises:
            CallError: There is none, or it does not load. It is tried again when its folder has
                changed.
        """
        self._load_first(spec.name)
        with super().acquire(spec) as servable:
            yield servable

    def available(self, name: str) -> list[int]:
        """Versions of a model that answer requests, if only after they were loaded, ascending."""
        with self._lock:
            states = self._models[name].states if name in self._models else {}
            return sorted(version for version, state in states.items() if state in _READY_STATES)

    def held_bytes(self) -> int:
        """Memory of the versions that are loaded; at the start there was none."""
        with self._lock:
            loaded = [s for model in self._models.values() for s in model.loaded.values()]
        return sum(servable.held_bytes for servable in loaded)

    def _load_first(self, name: str) -> None:
        with self._lock:
            model = self._models.get(name)
        if model is None or not _is_missing(model):
            return
        # One load at a time: two would need the memory and the cores of both.
        with self._changing:
            if _is_missing(model):
                self._load_wanted(model)

    def _load_wanted(self, model: ModelState) -> None:
        """Loads what a model's configuration asks for; held: `_changing`.

        Raises:
            CallError: Nothing of it loads.
        """
        wanted = wanted_versions(model.config)
        failures = {v: f for v, f in model.failures.items() if v in wanted}
        model.failures = {v: f for v, f in failures.items() if f.tried == stamp_of(wanted[v])}
        for version, folder in wanted.items():
            if version not in model.failures:
                self._load(model, version, folder)
        if not model.loaded:
            newest = max(model.failures)
            raise CallError("FAILED_PRECONDITION", model.failures[newest].message)

    def _stage(self, config: ModelConfig) -> dict[int, Servable]:
        """What is loaded already; whether there is anything to load is looked at."""
        wanted, loaded = wanted_versions(config), self._loaded_from(config)
        self._staged_versions[config.name] = list(wanted)
        return {version: loaded[version] for version in wanted if version in loaded}

    def _answering(self, name: str, staged: dict[str, dict[int, Servable]]) -> Collection[int]:
        return self._staged_versions[name]

    def _commit(
        self, configs: Sequence[ModelConfig], staged: dict[str, dict[int, Servable]]
    ) -> list[tuple[ModelState, int, Servable]]:
        leaving = super()._commit(configs, staged)
        for config in configs:
            model = self._models[config.name]
            if not model.loaded:
                model.failures = {}
                versions = self._staged_versions[config.name]
                model.states.update(dict.fromkeys(versions, State.START))
        return leaving

    def _poll_model(self, config: ModelConfig) -> None:
        with self._lock:
            wanted = bool(self._models[config.name].loaded)
        if wanted:
            super()._poll_model(config)


def _is_missing(model: ModelState) -> bool:
    return model.listed and not model.loaded
