"""Bytes of an answer for 192³ voxels of a whole head: labels, evidence for clean-up, posteriors.

With the shipped network, whose foreground is a brain's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from served import WHOLE_HEAD, serving

EDGE = 192


def main() -> None:
    """Asks once for everything, and prints what each kind of answer would weigh."""
    from synthseg_client import open_session, read_scan
    from synthseg_client.geometry.crop import first_box
    from synthseg_client.geometry.grids import prepare
    from synthseg_client.options import Crop
    from synthseg_common import contract

    if not WHOLE_HEAD.exists():
        print(f"no scan: {WHOLE_HEAD} is missing.")
        return
    volume = prepare(read_scan(WHOLE_HEAD)).ras
    image = volume[first_box(volume, Crop(limit=EDGE)).slices]
    wanted = dict.fromkeys([contract.LABELS, *contract.EVIDENCE, *contract.DENSE])
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as server,
        open_session(server.address) as session,
    ):
        answer, model = session.segment(image, (EDGE,) * 3, flip=False, outputs=wanted)
    sizes = {name: array.nbytes for name, array in answer.items()}
    kinds = {
        "labels only, no clean-up": [contract.LABELS],
        "labels and volumes with full clean-up": contract.EVIDENCE,
        "the same with every posterior": contract.DENSE,
    }
    shape = "x".join(map(str, image.shape))
    print(f"### Bytes of an answer, {shape} voxels, {model.n_labels} labels\n")
    print("| answer | MB | share of dense float32 posteriors |\n|---|---|---|")
    dense = image.size * model.n_labels * 4
    for kind, names in kinds.items():
        size = sum(sizes[name] for name in names)
        print(f"| {kind} | {size / 1e6:.1f} | {size / dense:.3f} |")
    print(f"| dense float32 posteriors | {dense / 1e6:.0f} | 1 |")


if __name__ == "__main__":
    main()
