"""Looks for new versions at an interval."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager

from synthseg_serving.manager import ModelManager

log = logging.getLogger(__name__)


class Poller(AbstractContextManager["Poller"]):
    """Calls `ModelManager.poll` at an interval, in a thread of its own."""

    def __init__(self, manager: ModelManager, interval_s: float) -> None:
        """Prepares a poller; an interval of 0 never polls."""
        self._manager = manager
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def __enter__(self) -> Poller:
        if self._interval_s > 0:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._manager.poll()
            except Exception:
                log.exception("looking for new versions failed; trying again")
