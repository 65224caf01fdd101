"""The client as a Python library: one scan in, arrays and volumes out, or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from synthseg_client.calls.channel import ServerAddress
from synthseg_client.calls.model_choice import ModelChoice
from synthseg_client.calls.retry import RetryPolicy
from synthseg_client.calls.session import Session
from synthseg_client.embedded import LocalServer
from synthseg_client.errors import ClientError, error_of
from synthseg_client.inputs.scans import Scan, check_scan, read_scan
from synthseg_client.options import Options
from synthseg_client.segmentation.one_scan import segment_scan
from synthseg_client.segmentation.result import Segmentation


@contextmanager
def open_session(
    server: str | ServerAddress | LocalServer | None = None,
    *,
    model: ModelChoice | None = None,
    timeout_s: float | None = None,
    retry: RetryPolicy | None = None,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Session]:
    """A connection to a model server: to the one named, or to one that is started here meanwhile.

    Args:
        server: Address of a model server, or how to start one here; None starts one with defaults.
        model: Which of the server's models to ask.
        timeout_s: Deadline of a segmentation; None grows with the number of voxels.
        retry: How often failed requests are repeated, and how long a server is waited for.
        tell: Called with lines for the user, for example while a server is waited for; None logs
            them as warnings.

    Raises:
        EmbeddedServerError: No address was given and no server can be started here.
    """
    if isinstance(server, str | ServerAddress):
        with Session(server, model, timeout_s=timeout_s, retry=retry, tell=tell) as session:
            yield session
        return
    with (
        (server or LocalServer()).start() as embedded,
        Session(
            embedded.address,
            model,
            timeout_s=timeout_s,
            retry=retry,
            revive=embedded.restart_if_dead,
            tell=tell,
        ) as session,
    ):
        session.at_close(embedded.give_up)
        yield session


def segment(
    scan: Path | str | Scan | ArrayLike,
    session: Session,
    options: Options | None = None,
    *,
    affine: ArrayLike | None = None,
    posteriors: bool = False,
) -> Segmentation:
    """Segments one scan.

    Args:
        scan: A file, a scan that was read, or an array `[x, y, z]` with its `affine`.
        session: From `open_session`.
        options: How to segment; None takes the defaults.
        affine: `[4, 4]`, voxel indices to mm in RAS; for arrays, which are taken as 1 mm RAS
            without it.
        posteriors: Whether `Segmentation.posterior` shall be exact for every structure, also where
            it is unlikely.

    Raises:
        ScanError: The scan cannot be segmented.
        ServerError: The server gave no answer that fits.
    """
    if isinstance(scan, str | Path):
        scan = read_scan(Path(scan))
    elif not isinstance(scan, Scan):
        matrix = np.eye(4) if affine is None else np.asarray(affine, np.float64)
        scan = check_scan(Path("array"), np.asarray(scan), matrix)
    return segment_scan(scan, session, options or Options(), posteriors=posteriors)


def segment_many(
    scans: Iterable[Path | str], session: Session, options: Options | None = None, *, jobs: int = 2
) -> Iterator[tuple[Path, Segmentation | ClientError]]:
    """Segments scans in order, preparing some while the server works on another.

    Args:
        scans: Files; an endless generator will do.
        session: From `open_session`.
        options: How to segment; None takes the defaults.
        jobs: How many scans to process at the same time.

    Yields:
        Each file with its result or its error; one failure does not stop the rest.
    """
    from synthseg_client.batch.pipeline import in_order

    chosen = options or Options()

    def work(path: Path, turn: object) -> Segmentation | ClientError:
        try:
            return segment_scan(read_scan(path), session, chosen, turn=turn)  # type: ignore[arg-type]
        except Exception as error:  # also a defect in one scan's work must not stop the others
            return error_of(path, error)

    yield from in_order((Path(s) for s in scans), work, jobs=jobs, abort=session.close)
