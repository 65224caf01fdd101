"""What `serve` is asked when nothing is said."""

from __future__ import annotations

from synthseg_serving.options import ServeOptions

NOTHING = ServeOptions(
    model_dir=None,
    name="synthseg",
    model_config_file=None,
    official=None,
    own_model=False,
    on_demand=False,
    addresses=(),
    threads=None,
    cpu=False,
    waiting=8,
    poll_seconds=1.0,
    typed_fields=False,
    labels_for_unavailable=False,
    tls_key=None,
    tls_cert=None,
    tls_client_ca=None,
    grace_seconds=600.0,
    ready_file=None,
    idle_minutes=None,
    parent_death=False,
    verbose=False,
)
