"""The models that are asked after the one that segments: cortical parcels, quality scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from synthseg_common import contract
from synthseg_common.arrays import AnyArray, Float64Array, Int32Array, UInt8Array
from synthseg_common.labels import CSF
from synthseg_common.parcels import is_released_table

from synthseg_client.calls.deadlines import default_timeout_s
from synthseg_client.calls.prediction import Prediction
from synthseg_client.calls.session import Session
from synthseg_client.errors import AnswerError, ModelError, UnknownModelError, UsageError
from synthseg_client.model import Model
from synthseg_client.options import Options

_FLAGS = {contract.PARCELLATOR: "--parc", contract.SCORER: "--qc"}
_NEEDED_BY = {
    contract.ROBUST_MODEL_NAME: "--robust",
    contract.V1_MODEL_NAME: "--v1",
    contract.PARCELS_MODEL_NAME: "--parc",
    contract.QUALITY_MODEL_NAME: "--qc",
}
_MISTAKEN_FOR_CSF = 24  # where the original compares indices with a label

_DECIMALS = 4


@dataclass(frozen=True)
class Companions:
    """What is asked beside the segmenter, and of whom; safe to share between threads.

    Attributes:
        parcellator: The connection for parcels; None if none are wanted.
        scorer: The connection for quality scores; None if none are wanted.
    """

    parcellator: Session | None = None
    scorer: Session | None = None

    @classmethod
    def of(cls, session: Session, options: Options) -> Companions:
        """Those that the options ask for, met once.

        Args:
            session: Of the model that segments.
            options: How to segment.

        Raises:
            UnknownModelError: The server has no such model.
            ModelError: A model under that name does something else.
            UsageError: They do not know the labels of the model that segments.
        """
        found = cls(
            session.beside(contract.PARCELS_MODEL_NAME) if options.parcels else None,
            session.beside(contract.QUALITY_MODEL_NAME) if options.quality else None,
        )
        described = meet(session)
        expect_role(described, contract.SEGMENTER)
        for other, role in (
            (found.parcellator, contract.PARCELLATOR),
            (found.scorer, contract.SCORER),
        ):
            if other is not None:
                expect_role(meet(other), role)
                _refuse_unknown_labels(described, _FLAGS[role])
        if options.companions():
            _refuse_older(session, described)
        return found

    @property
    def models(self) -> tuple[Model, ...]:
        """What those that are asked say about themselves."""
        asked = (self.parcellator, self.scorer)
        return tuple(session.describe() for session in asked if session is not None)

    @property
    def on_its_grid(self) -> tuple[Model, ...]:
        """Those that work on the segmenter's network grid, and have to take one as large."""
        return (self.parcellator.describe(),) if self.parcellator is not None else ()


@dataclass(frozen=True)
class Parcels:
    """The divided cortex of a part of a scan.

    Attributes:
        labels: int32 `[x, y, z]`: a parcel's value in the cortex, 0 elsewhere.
        voxels: float64 `[label]`: how much there is of each channel, before it is scaled to the
            cortex.
        model: Which model answered.
    """

    labels: Int32Array
    voxels: Float64Array
    model: Model


@dataclass(frozen=True)
class Segmented:
    """What a part of a scan became, as companions are told.

    Attributes:
        image: float32 `[x, y, z]`: as it was sent.
        network_labels: Label values over the network grid, before the clean-up.
        clean_labels: int32 `[x, y, z]`: the final ones.
    """

    image: AnyArray
    network_labels: AnyArray
    clean_labels: Int32Array


def ask_for_parcels(session: Session, done: Segmented, options: Options) -> Parcels:
    """Divides the cortex.

    Raises:
        ServerError: There is no answer, or not one that fits.
    """
    inputs: dict[str, AnyArray] = {
        contract.IMAGE: np.asarray(done.image, np.float32),
        contract.NETWORK_LABELS: _small(done.network_labels),
        contract.CLEAN_LABELS: _small(done.clean_labels),
    }
    if options.as_original:
        inputs[contract.BY_HEMISPHERE] = np.asarray(False)
        inputs[contract.SMOOTH] = np.asarray(not options.quality)
    outputs = (contract.PARCELS, contract.PARCEL_VOXELS)
    answer = _asked(session, inputs, outputs, voxels=done.network_labels.size)
    model = session.describe()
    labels = answer[contract.PARCELS].astype(np.int32)
    voxels = answer[contract.PARCEL_VOXELS].astype(np.float64)
    known = set(model.label_values.tolist())
    if labels.shape != done.clean_labels.shape or not set(np.unique(labels).tolist()) <= known:
        raise AnswerError(f"{model.title} answered parcels that do not fit the scan or its table.")
    if voxels.shape != (model.n_labels,) or not np.all(np.isfinite(voxels)) or voxels.min() < 0:
        raise AnswerError(f"{model.title} answered no sizes of its {model.n_labels} parcels.")
    return Parcels(labels, voxels, model)


def ask_for_scores(
    session: Session, network_labels: AnyArray, segmenter: Model, options: Options
) -> dict[str, float]:
    """Predicted Dice by group of structures, 0 to 1.

    Raises:
        ServerError: There is no answer, or not one that fits.
    """
    unframed = CSF
    if options.as_original:
        unframed = int(segmenter.label_values[_MISTAKEN_FOR_CSF])
    inputs: dict[str, AnyArray] = {
        contract.NETWORK_LABELS: _small(network_labels),
        contract.SCORED_SIZE: np.asarray(options.scored_size, np.int32),
        contract.UNFRAMED_LABEL: np.asarray(unframed, np.int32),
    }
    answer = _asked(session, inputs, (contract.SCORES,), voxels=options.scored_size**3)
    model, scores = session.describe(), answer[contract.SCORES]
    if scores.shape != (model.n_labels - 1,) or not np.all((scores >= 0) & (scores <= 1)):
        raise AnswerError(f"{model.title} answered no scores between 0 and 1.")
    rounded = [round(score, _DECIMALS) for score in np.round(scores, _DECIMALS).tolist()]
    return dict(zip(model.label_names[1:], rounded, strict=True))


def meet(session: Session) -> Model:
    """What a model says of itself.

    Raises:
        UnknownModelError: The server has no such model; one of the original's is named with the
            option that needs it.
    """
    try:
        return session.describe()
    except UnknownModelError as error:
        flag = _NEEDED_BY.get(session.model.name)
        if flag is None:
            raise
        raise UnknownModelError(
            f"{session.address.target} has no model {session.model.title}, which {flag} needs: "
            "`synthseg-serving import-weights` makes it of the original's weights."
        ) from error


def expect_role(model: Model, role: str) -> None:
    """Refuses a model that does something else.

    Raises:
        ModelError: It does.
    """
    if model.role != role:
        raise ModelError(f"model {model.title} is a {model.role}, expected a {role}.")


def _refuse_unknown_labels(model: Model, flag: str) -> None:
    if not is_released_table(tuple(model.label_values.tolist())):
        raise UsageError(
            f"{flag} knows the labels of SynthSeg 1.0 and 2.0 only, and those of {model.title} "
            "are others."
        )


def _refuse_older(session: Session, model: Model) -> None:
    """Refuses a segmenter that does not answer what companions are asked with."""
    outputs = session.metadata().get(contract.SEGMENT_SIGNATURE, {}).get("outputs", {})
    if contract.NETWORK_LABELS not in outputs:
        raise ModelError(
            f"model {model.title} was made by an earlier version of synthseg-serving, and does "
            "not answer what --parc and --qc are computed from: export or import it again."
        )


def _asked(
    session: Session, inputs: dict[str, AnyArray], outputs: tuple[str, ...], voxels: int
) -> dict[str, AnyArray]:
    asked = Prediction(
        model=session.model,
        inputs=inputs,
        outputs=outputs,
        timeout_s=session.timeout_s or default_timeout_s(voxels),
        with_scan=True,
    )
    return session.ask(asked)[0]


def _small(labels: AnyArray) -> UInt8Array:
    """Label values as they travel; those of the released tables fit."""
    return labels.astype(np.uint8)
