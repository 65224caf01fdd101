"""What Dask runs first in worker processes of our own."""

from __future__ import annotations

import signal


def dask_setup(_worker: object) -> None:
    """Leaves Ctrl-C, which a terminal sends to every process, to the one that started the workers.

    It ends them when it is done with them. Workers that died of it would be waited for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
