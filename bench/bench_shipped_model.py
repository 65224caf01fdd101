"""How well the shipped model segments: the tables of its card, by the client that users have.

`--tables` makes some of them alone, in less time:

- `structures`: Dice on real T1 scans against FreeSurfer's segmentations, and on synthetic scans of
  the two label maps that were kept out of training, at three resolutions;
- `resolution`: the same scans as slices of 1, 3, 5 and 7 mm in each plane;
- `contrasts`: scans of one person in two contrasts against each other, as they lie and after rigid
  alignment (with SimpleITK, where it is installed), and by structure;
- `volumes`: the ratio of the volumes to FreeSurfer's;
- `repeatability`: how much volumes change where a scan is shifted, turned, noisier or shaded;
- `ct`: how plausible the answer for a CT template is;
- `confidence`: whether the model's own probabilities tell bad segmentations from good ones.

One server segments all scans. Without the shared data there is nothing to score.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import card_confidence
import card_contrasts
import card_ct
import card_repeatability
import card_resolution
import card_structures
import card_volumes
from answers import segment_all
from card_scans import SCANS
from synthseg_client.embedded import LocalModels, LocalServer
from synthseg_client.options import Crop, Options

TABLES = {
    "structures": card_structures,
    "resolution": card_resolution,
    "contrasts": card_contrasts,
    "volumes": card_volumes,
    "repeatability": card_repeatability,
    "ct": card_ct,
    "confidence": card_confidence,
}
"""Each has `scans`, which makes what must be segmented, and `show`, which prints."""


def main() -> None:
    """Segments all, scores all, and prints the tables."""
    arguments = _arguments()
    if not SCANS.is_dir():
        print(f"nothing to score: {SCANS} is missing.")
        return
    chosen = [TABLES[name] for name in arguments.tables or TABLES]
    server = LocalServer(
        model_dir=arguments.model, models=LocalModels(small=arguments.small), cpu=True
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = [scan for table in chosen for scan in table.scans(folder)]
        options = Options(crop=_crop(arguments.crop))
        answers = segment_all(wanted, folder / "answers", server, options)
        for table in chosen:
            table.show(answers, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, help="By default all.")
    parser.add_argument("--model", type=Path, help="Exported model; by default the shipped one.")
    parser.add_argument("--small", action="store_true", help="The small shipped model.")
    parser.add_argument("--crop", nargs="+", help="As for `synthseg-client segment`.")
    return parser.parse_args()


def _crop(words: list[str] | None) -> Crop:
    if not words:
        return Crop()
    return Crop.none() if words == ["none"] else Crop.of_size([int(word) for word in words])


if __name__ == "__main__":
    main()
