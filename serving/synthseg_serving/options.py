"""What the commands are asked, as frozen objects; loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from synthseg_common.contract import DEFAULT_MAX_VOXELS, MODEL_NAME
from synthseg_common.option_groups import argument, option
from synthseg_trainer.places import PLACE, Place

_PATH = click.Path(path_type=Path)
_MAX_VOXELS = (
    "Largest network grid, in voxels; servers refuse requests for a larger one. The default is "
    "320 x 320 x 320."
)
_UNIX = "unix:"
FOUND = ""
"""In the place of a folder of official weights: wherever they are found."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What `export` is asked."""

    source: Place = argument(type=PLACE)
    model_dir: Path = argument(type=_PATH)
    version: int | None = option(
        "--version",
        type=click.IntRange(min=1),
        help="Number of the version; the next free one by default.",
    )
    name: str = option(
        "--name", default=MODEL_NAME, show_default=True, help="Name under which it will be served."
    )
    max_voxels: int = option(
        "--max-voxels",
        default=DEFAULT_MAX_VOXELS,
        show_default=True,
        type=click.IntRange(min=1),
        help=_MAX_VOXELS,
    )
    settings: Path | None = option(
        "--settings",
        type=_PATH,
        help="Settings that belong to weights from Keras; by default the .json file beside them.",
    )


@dataclass(frozen=True, kw_only=True)
class FileChoice:
    """What `import-weights` is told of a single file."""

    labels: Literal["v1", "v2"] | None = option(
        "--labels",
        type=click.Choice(["v1", "v2"]),
        help="For a single file: the label table that it must have, of SynthSeg 1.0 or 2.0. By "
        "default the table is recognised.",
    )
    version: int | None = option(
        "--version",
        type=click.IntRange(min=1),
        help="For a single file: number of the version; the next free one by default.",
    )
    name: str | None = option(
        "--name",
        help="For a single file: name under which it will be served; by default that of its "
        "network.",
    )


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What `import-weights` is asked."""

    source: Path | None = argument(required=False, type=_PATH)
    models: Path | None = argument(required=False, type=_PATH)
    max_voxels: int = option(
        "--max-voxels",
        default=DEFAULT_MAX_VOXELS,
        show_default=True,
        type=click.IntRange(min=1),
        help=_MAX_VOXELS,
    )


@dataclass(frozen=True, kw_only=True)
class SignOptions:
    """What `sign` is asked."""

    folder: Path = argument(type=_PATH)
    key: Path = option(
        "--key", type=_PATH, required=True, help="Private key, as openssl genpkey writes it (PEM)."
    )


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What `check-model` is asked."""

    folder: Path = argument(type=_PATH)
    model_key: Path | None = option(
        "--model-key", type=_PATH, help="Public key that it must be signed for (PEM)."
    )


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What `serve` is asked."""

    model_dir: Path | None = argument(required=False, type=_PATH)
    name: str = option(
        "--name", default=MODEL_NAME, show_default=True, help="Name of the model in requests."
    )
    model_config_file: Path | None = option(
        "--model-config-file", type=_PATH, help="File that lists several models, as for TF Serving."
    )
    official: str | None = option(
        "--official",
        is_flag=False,
        flag_value=FOUND,
        metavar="[FOLDER]",
        help="Serve the original SynthSeg's networks. FOLDER holds their .h5 files, or what "
        "`import-weights` made of them; by default it is $SYNTHSEG_MODELS, else "
        "$FREESURFER_HOME/models. MODEL_DIR, if given before it, is served instead of the original "
        "segmentation network.",
    )
    own_model: bool = option(
        "--own-model",
        is_flag=True,
        help="With --official: still segment with the model that ships with the package.",
    )
    small: bool = option(
        "--small",
        is_flag=True,
        help="Of the models that ship with the package, segment with the small one: faster, less "
        "accurate.",
    )
    on_demand: bool = option(
        "--on-demand",
        is_flag=True,
        help="Load a model when it is first asked for, not at the start.",
    )
    addresses: tuple[str, ...] = option(
        "--address",
        multiple=True,
        help="Where to listen, host:port or unix:/path; may be repeated.  "
        "[default: localhost:8500]",
    )
    threads: int | None = option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU cores for one computation; by default all that this process may use.",
    )
    at_once: int = option(
        "--at-once",
        default=1,
        show_default=True,
        type=click.IntRange(min=1),
        help="How many requests may compute at the same time, where memory holds them.",
    )
    cpu: bool = option("--cpu", is_flag=True, help="Use no GPU.")
    waiting: int = option(
        "--queue",
        default=8,
        show_default=True,
        type=click.IntRange(min=0),
        help="How many requests may wait; further ones are refused.",
    )
    poll_seconds: float = option(
        "--poll-seconds",
        default=1.0,
        show_default=True,
        type=click.FloatRange(min=0),
        help="Seconds between searches for new versions; 0 searches only once.",
    )
    typed_fields: bool = option(
        "--typed-fields",
        is_flag=True,
        help="Answer in typed fields instead of raw bytes, as TF Serving does by default; slow.",
    )
    labels_for_unavailable: bool = option(
        "--allow-version-labels-for-unavailable-models",
        is_flag=True,
        help="Accept labels for versions that are not loaded yet, as TF Serving does with this "
        "flag.",
    )
    model_key: Path | None = option(
        "--model-key",
        type=_PATH,
        help="Serve only models that `synthseg-serving sign` signed for this public key (PEM).",
    )
    tls_key: Path | None = option("--tls-key", type=_PATH, help="Private key (PEM).")
    tls_cert: Path | None = option("--tls-cert", type=_PATH, help="Certificate chain (PEM).")
    tls_client_ca: Path | None = option(
        "--tls-client-ca",
        type=_PATH,
        help="Accept only clients with a certificate of these authorities (PEM).",
    )
    grace_seconds: float = option(
        "--grace-seconds",
        default=600.0,
        show_default=True,
        type=click.FloatRange(min=0),
        help="Seconds to finish accepted requests after SIGTERM.",
    )
    ready_file: Path | None = option(
        "--ready-file", type=_PATH, help="File to write the ready line to, too."
    )
    idle_minutes: float | None = option(
        "--idle-minutes",
        type=click.FloatRange(min=0, min_open=True),
        help="End after so many minutes without a request.",
    )
    parent_death: bool = option(
        "--parent-death",
        is_flag=True,
        help="End when the process that started this one ends; it must hold standard input open, "
        "as a pipe.",
    )
    metrics_address: str | None = option(
        "--metrics-address",
        metavar="[HOST:]PORT",
        help="Tell metrics to Prometheus there, at /metrics; needs the extra `telemetry`.",
    )
    otlp: bool = option(
        "--otlp",
        is_flag=True,
        envvar="SYNTHSEG_OTLP",
        show_envvar=True,
        help="Send traces and metrics to the OpenTelemetry collector that its own environment "
        "variables name; needs the extra `telemetry`.",
    )
    verbose: bool = option("-v", "--verbose", is_flag=True, help="Write more to the log.")

    @property
    def sockets(self) -> list[Path]:
        """Files of the unix sockets among the addresses."""
        return [Path(a.removeprefix(_UNIX)) for a in self.addresses if a.startswith(_UNIX)]

    @property
    def serves_own_model(self) -> bool:
        """Whether it segments with a model that ships with the package."""
        if self.model_dir is not None or self.model_config_file is not None:
            return False
        return self.official is None or self.own_model

    @property
    def tls_is_whole(self) -> bool:
        """Whether key and certificate are both there, or nothing of TLS at all."""
        if self.tls_key is None or self.tls_cert is None:
            return self.tls_key is self.tls_cert is self.tls_client_ca is None
        return True
