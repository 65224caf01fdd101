"""Segments a real brain, once as it is and once as 5 mm oblique slices: `make demo`.

The scan is the MNI152 T1 template that ships inside the nilearn package, so nothing is downloaded.
The work is done by `synthseg-client segment` with the model server that it starts itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

OUTPUT = Path(__file__).resolve().parent / "output"
CLIENT = Path(sys.executable).with_name("synthseg-client")


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def main() -> int:
    """Runs the demo and says where its results are.

    Returns:
        Exit code: 0 done, 1 not.
    """
    options = read_options()
    try:
        run(options.output.resolve(), options.model)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Segments a brain template and draws the result.")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the results")
    parser.add_argument("--model", type=Path, help="a model folder instead of the shipped model")
    return parser.parse_args()


def run(output: Path, model: Path | None) -> None:
    """Makes the scans, segments them, draws them.

    Args:
        output: Folder of the results; files of an earlier run are replaced.
        model: Base path of a served model; `None` for the shipped one.

    Raises:
        DemoError: A step failed.
    """
    started = time.perf_counter()
    scans = make_scans(output / "scans")
    made = time.perf_counter()
    print(
        "\nSegmenting both (synthseg-client starts a model server and stops it afterwards).",
        flush=True,
    )
    volumes = output / "volumes.csv"
    report = output / "report"
    labels = segment(scans, output / "segmentations", volumes, report, model)
    segmented = time.perf_counter()
    picture = output / "demo.png"
    draw(scans, labels, picture)
    ended = time.perf_counter()
    print("\nScans and their labels (open them in any NIfTI viewer):")
    for name, scan in scans.items():
        print(f"  {shown(scan)}\n    -> {shown(labels[name])}")
    print(f"Volumes in mm3: {shown(volumes)}")
    print(f"Picture:        {shown(picture)}")
    print(
        f"Time: {made - started:.0f} s for making the scans, "
        f"{segmented - made:.0f} s for segmenting them, {ended - segmented:.0f} s for drawing."
    )
    print(f"Report, to open in a browser: {shown(report / 'index.html')}")


def make_scans(folder: Path) -> dict[str, Path]:
    """Writes the template and its thick slices, path by name.

    Raises:
        DemoError: A package is missing or the folder cannot be written.
    """
    try:
        from scans import write_scans

        paths = write_scans(folder)
    except ImportError as error:
        raise DemoError(
            f"{error.name} is not installed: run `make demo`, which installs it."
        ) from error
    except OSError as error:
        raise DemoError(f"cannot write to {folder}: {error}.") from error
    for path in paths.values():
        print(f"Made {shown(path)}")
    return paths


def segment(
    scans: dict[str, Path], folder: Path, volumes: Path, report: Path, model: Path | None
) -> dict[str, Path]:
    """Segments the scans with the installed command, label map by name of scan.

    Args:
        scans: Scans by name.
        folder: Of the label maps.
        volumes: The table to write.
        report: Folder of the pages to look at.
        model: A model folder instead of the shipped model.

    Raises:
        DemoError: The command is missing or failed, or left out a file.
    """
    if not CLIENT.is_file():
        raise DemoError(f"{CLIENT} is missing: run `make demo`, which installs it.")
    labels = {name: folder / f"{name}_synthseg.nii.gz" for name in scans}
    results = [*labels.values(), volumes, report / "index.html"]
    for path in results:
        path.unlink(missing_ok=True)
    command = [CLIENT, "segment", "--o", folder, "--vol", volumes, "--report", report]
    for path in scans.values():
        command += ["--i", path]
    if model is not None:
        command += ["--model", model]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise DemoError(
            f"synthseg-client ended with exit code {done.returncode}; its message is above."
        )
    missing = [shown(path) for path in results if not path.is_file()]
    if missing:
        raise DemoError(f"synthseg-client reported success but did not write {', '.join(missing)}.")
    return labels


def draw(scans: dict[str, Path], labels: dict[str, Path], path: Path) -> None:
    """Draws both scans and their labels into one PNG."""
    from picture import Row, draw_picture
    from scans import TEMPLATE_NAME, THICK_NAME

    titles = {
        TEMPLATE_NAME: "MNI152 T1 template, 1 mm",
        THICK_NAME: "the same in 5 mm oblique slices",
    }
    draw_picture([Row(titles[name], scans[name], labels[name]) for name in titles], path)


def shown(path: Path) -> str:
    """The path as the reader would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
