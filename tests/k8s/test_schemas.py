"""Every manifest of a built-in kind against the strict schemas of Kubernetes."""

from __future__ import annotations

import kubernetes_validate
import pytest
from manifests import OVERLAYS, build

VERSIONS = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
# Groups whose kinds a cluster learns from its add-ons, which hold them to their own schemas.
ADDED = (".x-k8s.io", "cert-manager.io", "monitoring.coreos.com", "snapshot.storage.k8s.io")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid_in_every_version(overlay: str, version: str) -> None:
    for manifest in build(overlay):
        group = manifest["apiVersion"].rpartition("/")[0]
        if not group.endswith(ADDED):
            kubernetes_validate.validate(manifest, version, strict=True)
