"""Which versions of which models are loaded: polling, hot reload, labels.

A new version is loaded before the old one goes; a request keeps the version that it started with. A
reload is staged: everything that it needs is loaded first, then names, labels and versions change
at once, or nothing does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from synthseg_serving.errors import CallError, ModelError
from synthseg_serving.model_states import Failure, ModelState
from synthseg_serving.servable import Servable
from synthseg_serving.versions import ModelConfig, find_versions, stamp_of

log = logging.getLogger(__name__)

State = get_model_status_pb2.ModelVersionStatus
_RELOAD_WAIT_S = 120.0


class ModelManager:
    """Loads, replaces and hands out versions."""

    def __init__(
        self,
        threads: int,
        labels_for_unavailable: bool = False,
        model_key: Path | None = None,
    ) -> None:
        """Starts without models.

        Args:
            threads: Cores that one run may use.
            labels_for_unavailable: Accept a new label for a version that is not loaded.
            model_key: Serve only versions that are signed for this public key.
        """
        self._threads = threads
        self._model_key = model_key
        self._labels_for_unavailable = labels_for_unavailable
        self._models: dict[str, ModelState] = {}
        self._lock = threading.Lock()
        # Held while versions are loaded; never while a request is answered.
        self._changing = threading.Lock()

    @contextmanager
    def acquire(self, spec: model_pb2.ModelSpec) -> Iterator[Servable]:
        """Hands out the version that a request names, loaded for as long as the context lasts.

        Raises:
            CallError: There is none; code and message are TF Serving's.
        """
        with self._lock:
            servable = self._find(spec)
            servable.reserve()
        with servable.in_use():
            yield servable

    def statuses(self, name: str, version: int | None) -> list[tuple[int, int, str]]:
        """Version, state and error of every version of a model, descending.

        Raises:
            CallError: The model or version was never seen.
        """
        with self._lock:
            model = self._models.get(name)
            if model is None or not model.states:
                raise CallError("NOT_FOUND", f"Could not find any versions of model {name}")
            if version is not None and version not in model.states:
                raise CallError("NOT_FOUND", f"Could not find version {version} of model {name}")
            chosen = sorted(model.states, reverse=True) if version is None else [version]
            failed = {v: failure.message for v, failure in model.failures.items()}
            return [(v, model.states[v], failed.get(v, "")) for v in chosen]

    def available(self, name: str) -> list[int]:
        """Versions of a model that answer requests, ascending."""
        with self._lock:
            return sorted(self._models[name].loaded) if name in self._models else []

    def states(self) -> dict[str, dict[int, bool]]:
        """Of each model that is listed, which versions were seen, and whether they answer."""
        with self._lock:
            return {
                name: {version: version in model.loaded for version in model.states}
                for name, model in self._models.items()
                if model.listed
            }

    def held_bytes(self) -> int:
        """Memory of what was loaded since the start, as far as it counts against requests."""
        return 0

    def apply(self, configs: Sequence[ModelConfig]) -> None:
        """Serves exactly these models, or changes nothing; returns when they answer requests.

        Raises:
            CallError: A model has no versions, does not load, or a label names a version that is
                not there.
        """
        if not self._changing.acquire(timeout=_RELOAD_WAIT_S):
            raise CallError("UNAVAILABLE", "another reload is still going on; try again later.")
        try:
            staged: dict[str, dict[int, Servable]] = {}
            try:
                for config in configs:
                    staged[config.name] = self._stage(config)
                self._check_labels(configs, staged)
            except CallError:
                _close(self._only_staged(staged))
                raise
            with self._lock:
                leaving = self._commit(configs, staged)
            self._retire(leaving)
        finally:
            self._changing.release()

    def poll(self) -> None:
        """Looks at every base path once: loads what is new, then lets go what is unwanted."""
        with self._changing:
            with self._lock:
                configs = [m.config for m in self._models.values() if m.listed]
            for config in configs:
                self._poll_model(config)

    def close(self) -> None:
        """Lets go of everything that no request uses any more."""
        with self._changing:
            with self._lock:
                leaving = [(m, v, s) for m in self._models.values() for v, s in m.loaded.items()]
                for model in self._models.values():
                    model.loaded = {}
            self._retire(leaving)

    def _find(self, spec: model_pb2.ModelSpec) -> Servable:
        name = spec.name
        model = self._models.get(name)
        if not name:
            raise CallError("INVALID_ARGUMENT", "ModelSpec has no name specified.")
        wanted: int | None = spec.version.value if spec.HasField("version") else None
        if spec.version_label:
            labels = model.config.labels if model is not None and model.listed else {}
            if spec.version_label not in labels:
                message = f"Unrecognized servable version label: {spec.version_label}"
                raise CallError("INVALID_ARGUMENT", message)
            wanted = labels[spec.version_label]
        loaded = model.loaded if model is not None else {}
        if wanted is None and loaded:
            return loaded[max(loaded)]
        if wanted is not None and wanted in loaded:
            return loaded[wanted]
        request = f"Latest({name})" if wanted is None else f"Specific({name}, {wanted})"
        raise CallError("NOT_FOUND", f"Servable not found for request: {request}")

    def _stage(self, config: ModelConfig) -> dict[int, Servable]:
        """Loads what a configuration needs and is not loaded yet."""
        chosen = wanted_versions(config)
        loaded = self._loaded_from(config)
        staged: dict[int, Servable] = {}
        try:
            for version, folder in chosen.items():
                if version not in loaded:
                    staged[version] = Servable(folder, version, self._threads, self._model_key)
        except ModelError as error:
            _close(list(staged.values()))
            raise CallError("FAILED_PRECONDITION", str(error)) from error
        return {**{v: loaded[v] for v in chosen if v in loaded}, **staged}

    def _only_staged(self, staged: dict[str, dict[int, Servable]]) -> list[Servable]:
        """What was loaded for a configuration that is not put in force."""
        with self._lock:
            used = {id(s) for model in self._models.values() for s in model.loaded.values()}
        fresh = [s for versions in staged.values() for s in versions.values()]
        return [s for s in fresh if id(s) not in used]

    def _loaded_from(self, config: ModelConfig) -> dict[int, Servable]:
        with self._lock:
            model = self._models.get(config.name)
            same = model is not None and model.config.base_path == config.base_path
            return dict(model.loaded) if model is not None and same else {}

    def _check_labels(
        self, configs: Sequence[ModelConfig], staged: dict[str, dict[int, Servable]]
    ) -> None:
        for config in configs:
            with self._lock:
                model = self._models.get(config.name)
                known = dict(model.config.labels) if model is not None and model.listed else {}
            for label, version in config.labels.items():
                if version in self._answering(config.name, staged):
                    continue
                if label in known or not self._labels_for_unavailable:
                    raise CallError(
                        "FAILED_PRECONDITION",
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference",
                    )

    def _answering(self, name: str, staged: dict[str, dict[int, Servable]]) -> Collection[int]:
        """Versions of a staged model that will answer requests."""
        return staged[name]

    def _commit(
        self, configs: Sequence[ModelConfig], staged: dict[str, dict[int, Servable]]
    ) -> list[tuple[ModelState, int, Servable]]:
        """Puts a staged configuration in force; returns what nobody asks for any more."""
        leaving = []
        for name, model in self._models.items():
            if name not in staged:
                leaving += [(model, v, s) for v, s in model.loaded.items()]
                model.loaded, model.listed = {}, False
        for config in configs:
            model = self._models.setdefault(config.name, ModelState(config))
            fresh = staged[config.name]
            leaving += [(model, v, s) for v, s in model.loaded.items() if fresh.get(v) is not s]
            model.config, model.loaded, model.listed = config, dict(fresh), True
            model.states.update(dict.fromkeys(fresh, State.AVAILABLE))
        return leaving

    def _poll_model(self, config: ModelConfig) -> None:
        with self._lock:
            model = self._models[config.name]
        try:
            found = find_versions(config.base_path)
        except ModelError as error:
            # A file system that is away for a while must not stop what is being served.
            if model.away != str(error):
                log.warning("%s Versions that are loaded stay.", error)
            model.away = str(error)
            return
        if model.away:
            log.info("%s can be read again.", config.base_path)
            model.away, model.failures = "", {}
        failures = {
            v: failure
            for v, failure in model.failures.items()
            if v in found and not failure.is_outdated(stamp_of(found[v]))
        }
        with self._lock:
            model.failures = failures
            chosen = config.policy.choose(found)
            missing = [v for v in chosen if v not in model.loaded and v not in model.failures]
        for version in missing:
            self._load(model, version, found[version])
        with self._lock:
            keep = set(chosen) & set(model.loaded)
            leaving = []
            if keep or not chosen:
                leaving = [(model, v, s) for v, s in model.loaded.items() if v not in chosen]
                for _, version, _ in leaving:
                    del model.loaded[version]
        self._retire(leaving)

    def _load(self, model: ModelState, version: int, folder: Path) -> None:
        log.info("model %s: loading version %d", model.config.name, version)
        with self._lock:
            model.states[version] = State.LOADING
        stamp = stamp_of(folder)
        try:
            servable = Servable(folder, version, self._threads, self._model_key)
        except ModelError as error:
            log.error("model %s: %s", model.config.name, error)
            with self._lock:
                model.states[version] = State.END
                model.failures[version] = Failure(str(error), stamp, stamp)
            return
        with self._lock:
            model.loaded[version] = servable
            model.states[version] = State.AVAILABLE
        log.info("model %s: version %d is available", model.config.name, version)

    def _retire(self, leaving: list[tuple[ModelState, int, Servable]]) -> None:
        for model, version, servable in leaving:
            with self._lock:
                if model.loaded.get(version) is None:
                    model.states[version] = State.UNLOADING
            servable.retire(partial(self._ended, model, version))

    def _ended(self, model: ModelState, version: int) -> None:
        with self._lock:
            if version not in model.loaded:
                model.states[version] = State.END
        log.info("model %s: version %d is unloaded", model.config.name, version)


def wanted_versions(config: ModelConfig) -> dict[int, Path]:
    """Folders of the versions that a configuration asks for, the newest first.

    Raises:
        CallError: There is none.
    """
    try:
        found = find_versions(config.base_path)
    except ModelError as error:
        raise CallError("NOT_FOUND", str(error)) from error
    chosen = config.policy.choose(found)
    if not chosen:
        raise CallError(
            "NOT_FOUND",
            f"{config.base_path} holds no version to serve for model {config.name}; expected "
            f"{config.base_path}/1/saved_model.pb.",
        )
    return {version: found[version] for version in chosen}


def _close(servables: list[Servable]) -> None:
    for servable in servables:
        servable.retire(lambda: None)
