"""What is known of a model and of its versions. Imports nothing heavy at run time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synthseg_serving.versions import ModelConfig, Stamp

if TYPE_CHECKING:
    from synthseg_serving.servable import Servable


@dataclass
class Failure:
    """Why a version did not load, and what its folder looked like then and when last seen."""

    message: str
    tried: Stamp
    seen: Stamp

    def is_outdated(self, now: Stamp) -> bool:
        """Whether the folder has changed and is at rest again: somebody may have copied slowly."""
        at_rest, self.seen = now == self.seen, now
        return at_rest and now != self.tried


@dataclass
class ModelState:
    """A model's configuration, its loaded versions, and the state of every version ever seen."""

    config: ModelConfig
    loaded: dict[int, Servable] = field(default_factory=dict)
    states: dict[int, int] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    listed: bool = True
    # Why the base path could not be read when it was last looked at; empty if it could.
    away: str = ""
