"""What a dataset's generator function raised: TensorFlow passes on its text alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

Element = TypeVar("Element")


class ElementErrors:
    """The last exceptions that generator functions of datasets raised.

    Args:
        most: How many are kept; several datasets may fail before the first error is asked for.
    """

    def __init__(self, most: int = 16) -> None:
        self._recent: deque[Exception] = deque(maxlen=most)

    def remember(
        self, elements: Callable[[], Iterator[Element]]
    ) -> Callable[[], Iterator[Element]]:
        """The same function for `tf.data.Dataset.from_generator`; what it raises is kept."""

        def remembering() -> Iterator[Element]:
            try:
                yield from elements()
            except Exception as error:
                self._recent.append(error)
                raise

        return remembering

    def find(self, message: str) -> Exception | None:
        """The exception, with its causes and its traceback, behind an error of TensorFlow.

        Args:
            message: Of TensorFlow's error; it holds class and text of the exception.

        Returns:
            The latest that fits; `None` where no remembered function raised it.
        """
        for error in reversed(self._recent):
            if f"{type(error).__name__}: {error}" in message:
                return error
        return None


_OF_PROCESS = ElementErrors()
# Of the process, and not handed along with a dataset: a training that distributes a dataset gets
# another object, made by TensorFlow, and out of that comes a text alone.
remember_errors = _OF_PROCESS.remember
find_original = _OF_PROCESS.find
