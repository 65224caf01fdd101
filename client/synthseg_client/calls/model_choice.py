"""Which of a server's models to ask."""

from __future__ import annotations

from dataclasses import dataclass

from synthseg_common import contract

from synthseg_client import messages_pb2 as wire


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model to ask.

    Attributes:
        name: Name it is served under.
        version: One version; None is the newest.
        label: A version label such as `stable`, instead of a version.
    """

    name: str = contract.MODEL_NAME
    version: int | None = None
    label: str | None = None

    @property
    def title(self) -> str:
        """The choice as the command line takes it."""
        if self.label is not None:
            return f"{self.name}@{self.label}"
        return self.name if self.version is None else f"{self.name}:{self.version}"

    def to_spec(self, signature: str = "") -> wire.ModelSpec:
        """The choice as it goes over the wire."""
        spec = wire.ModelSpec(name=self.name, signature_name=signature)
        if self.label is not None:
            spec.version_label = self.label
        elif self.version is not None:
            spec.version.value = self.version
        return spec
