"""A run in object storage: its checkpoints there, each whole or not at all.

URL/checkpoints/step-00001000/manifest.json      names the folder below, its files and their digests
URL/checkpoints/step-00001000/<upload>/...       the files of the checkpoint, see `checkpoints`
URL/best.npz, URL/logs/...                       as in a local run

Every upload has a folder of its own, and the manifest is written last, by one request: a process
may die between any two requests, and who reads finds this checkpoint or the one before, never a
part of it. What a reader downloads is compared with the manifest.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from synthseg_common import object_storage as storage
from synthseg_common.errors import is_outage, one_line
from synthseg_common.object_storage import join

from synthseg_trainer.aliases import JsonObject
from synthseg_trainer.errors import CheckpointError
from synthseg_trainer.places import Place
from synthseg_trainer.runs.best import BEST
from synthseg_trainer.runs.checkpoints import CHECKPOINTS, STEP, outdated, step_of

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
PAUSES_S = (2.0, 4.0, 8.0, 16.0, 30.0)
"""Waits between tries where the store does not answer; a minute in all."""
T = TypeVar("T")


@dataclass
class Mirror:
    """A run's place in object storage.

    Attributes:
        url: The run.
        pauses_s: Waits between tries where the store does not answer.
    """

    url: str
    pauses_s: tuple[float, ...] = PAUSES_S
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def fetch(self, run: Path) -> None:
        """Brings the newest whole checkpoint and the best network into an empty folder.

        One that is broken is passed over with a warning, and nothing comes of an empty store.

        Raises:
            CheckpointError: There are checkpoints, and none is whole.
            StorageError: The store does not answer.
        """
        steps = self.whole_steps()[::-1]
        for number, step in enumerate(steps, start=1):
            try:
                self._fetch_checkpoint(step, run / CHECKPOINTS / f"step-{step:08d}")
                break
            except CheckpointError as error:
                if number == len(steps):
                    raise CheckpointError(
                        f"{self.url}: none of its {number} checkpoints can be read."
                    ) from error
                warnings.warn(f"{error} Trying the one before.", RuntimeWarning, stacklevel=2)
        best = join(self.url, BEST)
        if self._patiently(lambda: storage.stat(best)) is not None:
            self._patiently(lambda: storage.get(best, run / BEST))

    def send_checkpoint(
        self, folder: Path, keep: int | None = None, keep_every_steps: int | None = None
    ) -> None:
        """Uploads a checkpoint, then removes the oldest, as `save_checkpoint` does.

        Args:
            folder: Its folder, `step-...`.
            keep: How many of the newest stay; `None` for all.
            keep_every_steps: Those of multiples of this step stay too.

        Raises:
            StorageError: It cannot be written.
        """
        step, upload = step_of(folder), secrets.token_hex(4)
        files = {}
        for path in sorted(folder.iterdir()):
            files[path.name] = {"size": path.stat().st_size, "sha256": _digest(path)}
            self._put(path, join(self._folder(step), upload, path.name))
        manifest = {"format": FORMAT_VERSION, "step": step, "upload": upload, "files": files}
        text = json.dumps(manifest, indent=1).encode()
        self._patiently(lambda: storage.put_bytes(text, self._manifest(step)))
        self._remove_outdated(step, upload, keep, keep_every_steps)

    def send_rest(self, run: Path) -> None:
        """Uploads the best network and the logs, as far as they have changed."""
        paths = [run / BEST, *sorted((run / "logs").rglob("*"))]
        for path in paths:
            if not path.is_file():
                continue
            name, status = path.relative_to(run).as_posix(), path.stat()
            state = status.st_size, status.st_mtime_ns
            if self._sent.get(name) != state:
                self._put(path, join(self.url, name))
                self._sent[name] = state

    def whole_steps(self) -> list[int]:
        """Steps of the checkpoints that have a manifest, ascending."""
        return sorted(step for step, name, _ in self._objects() if name == MANIFEST)

    def _folder(self, step: int) -> str:
        return join(self.url, CHECKPOINTS, f"step-{step:08d}")

    def _manifest(self, step: int) -> str:
        return join(self._folder(step), MANIFEST)

    def _put(self, path: Path, url: str) -> None:
        self._patiently(lambda: storage.put(path, url))

    def _objects(self) -> list[tuple[int, str, str]]:
        """Step, name below its folder and URL of every object of a checkpoint."""
        place = join(self.url, CHECKPOINTS)
        found = []
        for entry in self._patiently(lambda: storage.listing(place)):
            folder, _, name = entry.url.removeprefix(f"{place}/").partition("/")
            if (named := STEP.fullmatch(folder)) and name:
                found.append((int(named[1]), name, entry.url))
        return found

    def _read_manifest(self, step: int) -> JsonObject:
        """What a manifest says.

        Raises:
            CheckpointError: It cannot be understood.
        """
        url = self._manifest(step)
        content = self._patiently(lambda: storage.get_bytes(url))
        try:
            manifest: JsonObject = json.loads(content or b"")
            names = [manifest["upload"], *manifest["files"]]
            # Names and no paths: what is read here lands in the folder of the checkpoint.
            plain = all(name and Path(name).name == name for name in names)
            if manifest["format"] == FORMAT_VERSION and len(names) > 1 and plain:
                return manifest
        except (ValueError, KeyError, TypeError):
            pass
        raise CheckpointError(f"{url} is no manifest of a checkpoint.")

    def _fetch_checkpoint(self, step: int, folder: Path) -> None:
        try:
            manifest = self._read_manifest(step)
            for file, told in manifest["files"].items():
                url = join(self._folder(step), manifest["upload"], file)
                self._fetch_file(url, folder / file, told)
        except CheckpointError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _fetch_file(self, url: str, local: Path, told: JsonObject) -> None:
        try:
            self._patiently(lambda: storage.get(url, local))
        except storage.StorageError as error:
            if is_outage(error):
                raise
            raise CheckpointError(f"{one_line(error)}.") from error
        if local.stat().st_size != told["size"] or _digest(local) != told["sha256"]:
            raise CheckpointError(f"{url} is not what its manifest says.")

    def _remove_outdated(
        self, step: int, upload: str, keep: int | None, keep_every_steps: int | None
    ) -> None:
        """Removes old checkpoints, manifests first, and what uploads that died have left."""
        objects = [entry for entry in self._objects() if entry[0] <= step]
        whole = sorted({number for number, name, _ in objects if name == MANIFEST})
        gone = set(outdated(whole, keep, keep_every_steps))
        begun = {number for number, _, _ in objects} - set(whole)
        superseded = [
            url
            for number, name, url in objects
            if number == step and name != MANIFEST and not name.startswith(f"{upload}/")
        ]
        manifests = [url for number, name, url in objects if number in gone and name == MANIFEST]
        files = [url for n, name, url in objects if n in gone | begun and name != MANIFEST]
        self._patiently(lambda: storage.remove([*manifests, *files, *superseded]))

    def _patiently(self, action: Callable[[], T]) -> T:
        """What a request to the store returns; tried again where the store does not answer."""
        for pause_s in self.pauses_s:
            try:
                return action()
            except storage.StorageError as error:
                if not is_outage(error):
                    raise
                print(f"{one_line(error)}; next try in {pause_s:g} s.", file=sys.stderr, flush=True)
                time.sleep(pause_s)
        return action()


@contextmanager
def open_run(place: Place) -> Iterator[tuple[Path, Mirror | None]]:
    """The folder that a run works in, and its mirror if its place is a URL.

    That folder is then a temporary one (in `TMPDIR`) with room for two checkpoints, and vanishes.
    """
    if isinstance(place, Path):
        yield place, None
        return
    folder = Path(tempfile.mkdtemp(prefix="synthseg-run-"))
    try:
        yield folder, Mirror(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A copy of what a URL names: a file (`.npz`), or of a run its newest checkpoint.

    Raises:
        CheckpointError: There is nothing of the kind.
        StorageError: The store does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="synthseg-run-") as name:
        folder, ending = Path(name), url.rpartition("/")[2]
        if "." in ending:
            storage.get(url, folder / ending)
            yield folder / ending
            return
        Mirror(url).fetch(folder)
        if not any(folder.iterdir()):
            raise CheckpointError(f"{url} holds no checkpoint; expected {CHECKPOINTS}/step-*/.")
        yield folder


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
