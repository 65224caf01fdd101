"""What ends work on a cluster other than the work itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

from synthseg_common.errors import one_line

from synthseg_generator.errors import SchedulerError


@contextmanager
def name_losses() -> Iterator[None]:
    """Names what ends work on a cluster other than the work itself.

    Raises:
        SchedulerError: The scheduler is lost, or a task's workers are, again and again.
    """
    from distributed import KilledWorker
    from distributed.client import ClosedClientError
    from distributed.comm.core import CommClosedError

    try:
        yield
    except (CancelledError, ClosedClientError, CommClosedError) as error:
        # Nobody cancels or closes here, but Dask, where a scheduler is gone.
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise SchedulerError(
            f"the Dask scheduler was lost ({reason or 'the connection was closed'}). "
            "Start it again, then the same command."
        ) from error
    except KilledWorker as error:
        raise SchedulerError(
            "the Dask workers died again and again over one task, most often of too little "
            f"memory: {one_line(error)}."
        ) from error
