"""What is wrong with many files, told in one error: who mends them need not run once for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from synthseg_common.errors import Outage, is_outage

from synthseg_generator.errors import GeneratorError, LabelError, StoreError

_MOST_LINES = 20


def name_some(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file or map; it may come from a worker, where causes are lost.

    Attributes:
        error: What would have been raised.
        passing: Whether it may be well at another time, see `is_outage`.
    """

    error: GeneratorError
    passing: bool = False

    @classmethod
    def of(cls, error: GeneratorError) -> Problem:
        """The problem that an error tells."""
        return cls(error, is_outage(error))


class _ElsewhereError(Exception, Outage):
    """Stands for the causes of problems that are all passing."""


@contextmanager
def note_problems(problems: list[Problem]) -> Iterator[None]:
    """Adds what is wrong with one file to a list, and goes on with the next.

    Raises:
        StoreError: The store is out of reach, which is no one file's fault.
    """
    try:
        yield
    except (LabelError, StoreError) as error:
        problem = Problem.of(error)
        if problem.passing and isinstance(error, StoreError):
            raise
        problems.append(problem)


def raise_problems(problems: Sequence[Problem], what: str, hint: str = "") -> None:
    """Raises one error for all problems, if there are any.

    Args:
        problems: What is wrong.
        what: What they are about, such as "the label maps in FOLDER".
        hint: A line to end with.

    Raises:
        GeneratorError: Of the problems' own kind, or a `LabelError` where kinds differ; an outage
            only if all problems are.
    """
    if not problems:
        return
    kinds = {type(problem.error) for problem in problems}
    kind = kinds.pop() if len(kinds) == 1 else LabelError
    cause = problems[0].error.__cause__ if len(problems) == 1 else None
    if cause is None and all(problem.passing for problem in problems):
        cause = _ElsewhereError()
    lines = [str(problem.error) for problem in problems]
    if len(lines) > 1:
        shown = [f"  {line}" for line in lines[:_MOST_LINES]]
        more = [f"  and {len(lines) - _MOST_LINES} more."] if len(lines) > _MOST_LINES else []
        lines = [f"{len(lines)} problems with {what}:", *shown, *more]
    raise kind("\n".join([*lines, hint] if hint else lines)) from cause
