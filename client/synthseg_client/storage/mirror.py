"""A folder here that stands for object storage: names at once, content when its turn comes.

Whoever works on paths need not know where the files are. Every method takes any path; for those
that are not of the mirror there is nothing to do.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from synthseg_common import object_storage as storage
from synthseg_common.formats import parts_of

from synthseg_client.errors import ClientError, OutputError, ScanError, UsageError
from synthseg_client.storage.addresses import SCHEMES, is_plain_key, parts_of_address
from synthseg_client.storage.private_copies import PrivateFolder

_PROBE = "writable"


class Mirror:
    """Paths here for addresses of objects, with an empty file for each scan that is there.

    Example:
        >>> with Mirror() as mirror:  # doctest: +SKIP
        ...     scan = mirror.path_of("s3://bucket/scan.nii.gz")
        ...     mirror.fetch(scan)
        ...     work_on(scan)
        ...     mirror.drop(scan)
    """

    def __init__(self) -> None:
        self._folder: PrivateFolder | None = None
        self._names: dict[str, str] = {}

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def path_of(self, address: str) -> Path:
        """The path that stands for an address; nothing need be there.

        Raises:
            UsageError: It is no address of object storage.
        """
        return self._root().joinpath(*parts_of_address(address))

    def address_of(self, path: Path) -> str | None:
        """The address that a path stands for; None for one that stands for none."""
        if self._folder is None or not path.is_relative_to(self._folder.path):
            return None
        scheme, *names = path.relative_to(self._folder.path).parts or ("",)
        return f"{scheme}://{'/'.join(names)}" if scheme in SCHEMES else None

    def told(self, text: str) -> str:
        """A line for the user, in which paths of the mirror are addresses."""
        if self._folder is None:
            return text
        for path, name in self._names.items():
            text = text.replace(path, name)
        root = re.escape(f"{self._folder.path}/")
        return re.sub(rf"{root}({'|'.join(SCHEMES)})/", r"\1://", text)

    def with_told(self, error: ClientError) -> ClientError:
        """The error itself, in whose words paths of the mirror are addresses now."""
        error.args = tuple(self.told(a) if isinstance(a, str) else a for a in error.args)
        return error

    def add_list(self, name: str, lines: list[str]) -> Path:
        """A list of files that stands for another one.

        Args:
            name: What messages call it.
            lines: What it holds.
        """
        path = self._root() / "lists" / f"{len(self._names)}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
        self._names[str(path)] = name
        return path

    def show(self, address: str, wanted: Callable[[Path], bool]) -> Path:
        """Lists what lies below an address, and makes an empty file for each object.

        Args:
            address: A bucket, or a folder in it.
            wanted: Which of the objects, by their path.

        Returns:
            The path that stands for the address, a folder.

        Raises:
            UsageError: There is no such bucket, or an object is also a folder.
            StorageError: It cannot be listed.
        """
        folder = self.path_of(address)
        folder.mkdir(parents=True, exist_ok=True)
        for path in self.survey(address):
            if wanted(path):
                self.touch(path)
        return folder

    def survey(self, address: str) -> dict[Path, str]:
        """What lies below an address: the version of each object by its path.

        Raises:
            StorageError: It cannot be listed.
        """
        folder = self.path_of(address)
        scheme, *keys = parts_of_address(address)
        place = f"{scheme}://{'/'.join(keys)}"
        found = {}
        for entry in storage.listing(place):
            names = entry.url[len(place) + 1 :].split("/")
            if is_plain_key(names):
                found[folder.joinpath(*names)] = _version_of(entry)
        return found

    def touch(self, path: Path) -> None:
        """Makes the empty file of a scan.

        Raises:
            UsageError: A folder is in its place, or it has a name that no file can have.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be shown as a file, {error.strerror}: rename the object."
            ) from error

    def version(self, path: Path) -> str:
        """What the store calls the present content of a scan or file; empty if it is not there.

        Raises:
            StorageError: The store cannot be asked.
        """
        found = [storage.stat(a) for part in _parts(path) if (a := self.address_of(part))]
        return " ".join(_version_of(entry) if entry else "" for entry in found)

    def fetch(self, path: Path) -> str:
        """Gives a scan its content; returns its version, empty for paths that are not ours.

        Raises:
            ScanError: It is not there, or changed while it was read.
            StorageError: It cannot be read.
        """
        if self.address_of(path) is None:
            return ""
        before = self.version(path)
        if not before.strip():
            raise ScanError(f"{path}: no such object, or none that may be seen.")
        for part in _parts(path):
            storage.get(self._address(part), part)
        if self.version(path) != before:
            raise ScanError(f"{path}: changed while it was read: run it again.")
        return before

    def drop(self, path: Path) -> None:
        """Takes the content away again, so that no more lies here than is worked on."""
        if self.address_of(path) is not None:
            for part in _parts(path):
                with contextlib.suppress(OSError):
                    part.write_bytes(b"")

    def pull(self, path: Path) -> bytes | None:
        """What a small file holds, wherever it is; None if it is not there.

        Raises:
            StorageError: It cannot be read.
            OutputError: The same of a file here.
        """
        address = self.address_of(path)
        if address is not None:
            return storage.get_bytes(address)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{path}: cannot be read: {error.strerror}.") from error

    def push(self, path: Path) -> str:
        """Uploads a finished file; returns its version, empty for paths that are not ours.

        Raises:
            OutputError: What is there afterwards is not what was sent.
            StorageError: It cannot be written.
        """
        address = self.address_of(path)
        if address is None:
            return ""
        storage.put(path, address)
        stored = storage.stat(address)
        if stored is None or stored.size != path.stat().st_size:
            raise OutputError(f"{path}: was sent, and is not there whole: run it again.")
        return _version_of(stored)

    def remove(self, path: Path) -> None:
        """Removes the copy of a file that was pushed."""
        if self.address_of(path) is not None:
            path.unlink(missing_ok=True)

    def probe(self, folder: Path) -> None:
        """Sees that results can be written to a folder, before any work.

        Raises:
            StorageError: They cannot.
        """
        address = self.address_of(folder)
        if address is not None:
            storage.put_bytes(b"", storage.join(address, _PROBE))

    def _address(self, path: Path) -> str:
        address = self.address_of(path)
        if address is None:
            raise ValueError(f"{path} stands for no object")
        return address

    def _root(self) -> Path:
        if self._folder is None:
            self._folder = PrivateFolder()
        return self._folder.path


def _parts(path: Path) -> list[Path]:
    """The files of a scan; of a pair of which nothing is known, what was named."""
    return parts_of(path) or [path]


def _version_of(entry: storage.StoredObject) -> str:
    return f"{entry.version}/{entry.size}"
