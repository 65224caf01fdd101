"""Synthetic brain scans of any contrast and resolution, made from label maps.

from synthseg_generator import BrainGenerator

for image, labels in BrainGenerator("maps.zarr", seed=1):
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import synthseg_common.exports as _exports

if TYPE_CHECKING:
    from synthseg_common.labels import CONTRAST_SPECIFIC_CLASSES as CONTRAST_SPECIFIC_CLASSES
    from synthseg_common.labels import GENERATION_V1 as GENERATION_V1
    from synthseg_common.labels import GENERATION_V2 as GENERATION_V2
    from synthseg_common.labels import GenerationLabels as GenerationLabels

    from synthseg_generator.brain_generator import BrainGenerator as BrainGenerator
    from synthseg_generator.cluster.connection import open_cluster as open_cluster
    from synthseg_generator.draws.sample_parameters import SampleParameters as SampleParameters
    from synthseg_generator.errors import ConfigError as ConfigError
    from synthseg_generator.errors import GeneratorError as GeneratorError
    from synthseg_generator.errors import LabelError as LabelError
    from synthseg_generator.errors import SchedulerError as SchedulerError
    from synthseg_generator.errors import StoreError as StoreError
    from synthseg_generator.feed.plan import Plan as Plan
    from synthseg_generator.feed.plan import open_plan as open_plan
    from synthseg_generator.feed.plan_writing import write_plan as write_plan
    from synthseg_generator.feed.samples import SampleSource as SampleSource
    from synthseg_generator.feed.samples import Shard as Shard
    from synthseg_generator.feed.stream import StreamSettings as StreamSettings
    from synthseg_generator.feed.stream import open_stream as open_stream
    from synthseg_generator.label_table import LabelTable as LabelTable
    from synthseg_generator.label_table import read_label_table as read_label_table
    from synthseg_generator.pictures.preview import preview as preview
    from synthseg_generator.pictures.stages import draw_stages as draw_stages
    from synthseg_generator.priors import Mad as Mad
    from synthseg_generator.priors import PriorSettings as PriorSettings
    from synthseg_generator.priors import estimate_priors as estimate_priors
    from synthseg_generator.priors import find_pairs as find_pairs
    from synthseg_generator.priors import save_priors as save_priors
    from synthseg_generator.sample import Sample as Sample
    from synthseg_generator.sample import Samples as Samples
    from synthseg_generator.sample_files import generate as generate
    from synthseg_generator.sample_files import name_sample_files as name_sample_files
    from synthseg_generator.scan_generator import ScanGenerator as ScanGenerator
    from synthseg_generator.scan_generator import choose_generator as choose_generator
    from synthseg_generator.scans.samples import ScanSampleSource as ScanSampleSource
    from synthseg_generator.scans.stored_scans import add_scans as add_scans
    from synthseg_generator.settings.acquisition import Acquisition as Acquisition
    from synthseg_generator.settings.anatomy import Growth as Growth
    from synthseg_generator.settings.anatomy import Lesions as Lesions
    from synthseg_generator.settings.coverage import FieldOfView as FieldOfView
    from synthseg_generator.settings.coverage import Stripping as Stripping
    from synthseg_generator.settings.files import load_settings as load_settings
    from synthseg_generator.settings.generator import GeneratorSettings as GeneratorSettings
    from synthseg_generator.settings.generator import generator_settings as generator_settings
    from synthseg_generator.settings.intensity import BiasField as BiasField
    from synthseg_generator.settings.intensity import Mixture as Mixture
    from synthseg_generator.settings.intensity import Prior as Prior
    from synthseg_generator.settings.labels import LabelSettings as LabelSettings
    from synthseg_generator.settings.ranges import Uniform as Uniform
    from synthseg_generator.settings.scans import ScanNoise as ScanNoise
    from synthseg_generator.settings.shape import Affine as Affine
    from synthseg_generator.settings.shape import Crop as Crop
    from synthseg_generator.settings.shape import Elastic as Elastic
    from synthseg_generator.store.ingest import ingest as ingest
    from synthseg_generator.store.label_store import LabelStore as LabelStore
    from synthseg_generator.store.label_store import open_store as open_store

# Found when asked for, so that the command's `--help` waits for nothing heavy.
_HOMES = {
    "Acquisition": "synthseg_generator.settings.acquisition",
    "Affine": "synthseg_generator.settings.shape",
    "BiasField": "synthseg_generator.settings.intensity",
    "BrainGenerator": "synthseg_generator.brain_generator",
    "CONTRAST_SPECIFIC_CLASSES": "synthseg_common.labels",
    "ConfigError": "synthseg_generator.errors",
    "Crop": "synthseg_generator.settings.shape",
    "Elastic": "synthseg_generator.settings.shape",
    "FieldOfView": "synthseg_generator.settings.coverage",
    "GENERATION_V1": "synthseg_common.labels",
    "GENERATION_V2": "synthseg_common.labels",
    "GenerationLabels": "synthseg_common.labels",
    "GeneratorError": "synthseg_generator.errors",
    "GeneratorSettings": "synthseg_generator.settings.generator",
    "Growth": "synthseg_generator.settings.anatomy",
    "LabelError": "synthseg_generator.errors",
    "LabelSettings": "synthseg_generator.settings.labels",
    "LabelStore": "synthseg_generator.store.label_store",
    "LabelTable": "synthseg_generator.label_table",
    "Lesions": "synthseg_generator.settings.anatomy",
    "Mad": "synthseg_generator.priors",
    "Mixture": "synthseg_generator.settings.intensity",
    "Plan": "synthseg_generator.feed.plan",
    "Prior": "synthseg_generator.settings.intensity",
    "PriorSettings": "synthseg_generator.priors",
    "Sample": "synthseg_generator.sample",
    "SampleParameters": "synthseg_generator.draws.sample_parameters",
    "SampleSource": "synthseg_generator.feed.samples",
    "Samples": "synthseg_generator.sample",
    "ScanGenerator": "synthseg_generator.scan_generator",
    "ScanNoise": "synthseg_generator.settings.scans",
    "ScanSampleSource": "synthseg_generator.scans.samples",
    "SchedulerError": "synthseg_generator.errors",
    "Shard": "synthseg_generator.feed.samples",
    "StoreError": "synthseg_generator.errors",
    "StreamSettings": "synthseg_generator.feed.stream",
    "Stripping": "synthseg_generator.settings.coverage",
    "Uniform": "synthseg_generator.settings.ranges",
    "add_scans": "synthseg_generator.scans.stored_scans",
    "choose_generator": "synthseg_generator.scan_generator",
    "draw_stages": "synthseg_generator.pictures.stages",
    "estimate_priors": "synthseg_generator.priors",
    "find_pairs": "synthseg_generator.priors",
    "generate": "synthseg_generator.sample_files",
    "generator_settings": "synthseg_generator.settings.generator",
    "ingest": "synthseg_generator.store.ingest",
    "load_settings": "synthseg_generator.settings.files",
    "name_sample_files": "synthseg_generator.sample_files",
    "open_cluster": "synthseg_generator.cluster.connection",
    "open_plan": "synthseg_generator.feed.plan",
    "open_store": "synthseg_generator.store.label_store",
    "open_stream": "synthseg_generator.feed.stream",
    "preview": "synthseg_generator.pictures.preview",
    "read_label_table": "synthseg_generator.label_table",
    "save_priors": "synthseg_generator.priors",
    "write_plan": "synthseg_generator.feed.plan_writing",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> object:
    """Loads a public name from its module when it is first used."""
    return _exports.load_export(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
