"""Parts of a dataset for as many jobs, told apart by the scans' own paths.

Scan and shard go together whatever else is in the dataset: adding or removing files moves none.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthseg_client.batch.tasks import BatchPlan
from synthseg_client.errors import UsageError
from synthseg_client.inputs.patterns import is_pattern
from synthseg_client.inputs.places import is_folder, is_there

INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Where Kubernetes tells a pod of an Indexed Job its index, counted from 0."""
_JOB = "job"
_FORM = re.compile(r"(?P<number>\d+|job)/(?P<count>\d+)")


@dataclass(frozen=True)
class Shard:
    """One of several parts.

    Attributes:
        number: Which, counted from 1.
        count: How many there are.
    """

    number: int
    count: int

    @classmethod
    def of(cls, text: str, environment: Mapping[str, str] = os.environ) -> Shard:
        """The part that `K/N` or `job/N` names.

        Args:
            text: K counts from 1; `job` takes the index of a pod of an Indexed Job.
            environment: Where the pod's index stands.

        Raises:
            UsageError: There is no such part.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"--shard {text}: expected K/N, such as 3/16, or job/N in an Indexed Job."
            )
        number, count = found["number"], int(found["count"])
        if number == _JOB:
            index = environment.get(INDEX_VARIABLE, "")
            if not index.isdecimal():
                raise UsageError(
                    f"--shard {text}: {INDEX_VARIABLE} holds {index!r}, expected the index that "
                    "Kubernetes gives pods of an Indexed Job; elsewhere write K/N."
                )
            number = str(int(index) + 1)
        if not 1 <= int(number) <= count:
            raise UsageError(f"--shard {text}: is part {number} of {count}, expected 1 to {count}.")
        return cls(int(number), count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, key: str) -> bool:
        """Whether a scan is in this part: SHA-256 of its key, first eight bytes, modulo N."""
        digest = hashlib.sha256(os.fsencode(key)).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def of_table(self, table: Path | None) -> Path | None:
        """The table of this part: `volumes.csv` becomes `volumes_3-of-16.csv`."""
        if table is None:
            return None
        return table.with_name(f"{table.stem}_{self.number}-of-{self.count}{table.suffix}")


def shard_of(plan: BatchPlan, shard: Shard, arguments: Sequence[str]) -> BatchPlan:
    """The scans of a plan that are in a part, with tables of their own.

    Args:
        plan: Of the whole dataset: names of results are those of a run without parts.
        shard: The part.
        arguments: The values of `--i` that the plan was made of.
    """
    roots = roots_of(arguments)
    return replace(
        plan,
        tasks=tuple(t for t in plan.tasks if shard.has(key_of(t.scan, roots))),
        refused=tuple(r for r in plan.refused if shard.has(key_of(r.task.scan, roots))),
        table=shard.of_table(plan.table),
        quality_table=shard.of_table(plan.quality_table),
        single=False,
    )


def roots_of(arguments: Sequence[str]) -> list[Path]:
    """The folders that values of `--i` begin with; none for names of files and lists."""
    return [root for argument in arguments if (root := _root_of(argument)) is not None]


def key_of(scan: Path, roots: Sequence[Path]) -> str:
    """What tells in which part a scan is: its path below the folder or pattern that named it.

    So a dataset may be mounted elsewhere. A scan that was named by itself or in a list has its
    path as it is written.
    """
    root = next((root for root in roots if scan.is_relative_to(root)), None)
    return scan.as_posix() if root is None else scan.relative_to(root).as_posix()


def _root_of(argument: str) -> Path | None:
    """The folder that a value of `--i` begins with; None for the name of a file."""
    path = Path(argument)
    if is_folder(path):
        return path
    if is_there(path) or not is_pattern(argument):
        return None
    parts = path.parts
    count = next(i for i, part in enumerate(parts) if is_pattern(part))
    return Path(*parts[:count])
