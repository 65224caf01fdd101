"""A folder that only this user may enter, for what processes of one user share."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from synthseg_common.errors import reason_of

from synthseg_client.errors import EmbeddedServerError

RUNTIME_VARIABLE = "XDG_RUNTIME_DIR"
_LONGEST = 60  # of a unix socket's 107 bytes, names in the folder need some
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder() -> Path:
    """`$XDG_RUNTIME_DIR/synthseg` where the system gives users such a folder, else in `/tmp`.

    Raises:
        EmbeddedServerError: It cannot be made, or others have made or may enter it.
    """
    runtime = os.environ.get(RUNTIME_VARIABLE)
    if runtime and os.access(runtime, os.W_OK) and len(os.fsencode(runtime)) < _LONGEST:
        folder = Path(runtime) / "synthseg"
    else:
        # The same for each process of the user, whatever TMPDIR says: jobs have one of their own.
        folder = Path("/tmp") / f"synthseg-{os.geteuid()}"  # noqa: S108 - looked at below
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise EmbeddedServerError(f"{folder}: cannot be made: {reason_of(error)}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        raise EmbeddedServerError(
            f"{folder}: is not a folder of this user alone, as one for a server that is kept has "
            "to be: remove it, or leave --keep-server out."
        )
    return folder
