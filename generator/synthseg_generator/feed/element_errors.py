"""What a dataset's generator function raised: TensorFlow passes on its text alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

Element = TypeVar("Element")
# Several datasets of a process may fail before the first of their errors is asked for.
_RECENT: deque[Exception] = deque(maxlen=16)


def remember_errors(elements: Callable[[], Iterator[Element]]) -> Callable[[], Iterator[Element]]:
    """The same for `tf.data.Dataset.from_generator`; `find_original` knows what it raises."""

    def remembering() -> Iterator[Element]:
        try:
            yield from elements()
        except Exception as error:
            _RECENT.append(error)
            raise

    return remembering


def find_original(message: str) -> Exception | None:
    """The exception, with its causes and its traceback, behind an error of TensorFlow.

    Args:
        message: Of TensorFlow's error; it holds class and text of the exception.

    Returns:
        The latest that fits; `None` where no remembered function raised it.
    """
    for error in reversed(_RECENT):
        if f"{type(error).__name__}: {error}" in message:
            return error
    return None
