"""All that OpenPifPaf 0.13 needs to run beside today's torch, torchvision and matplotlib; import it from here.

OpenPifPaf was released for torch 1.13. Three things have changed since:

* The CPU build of torch cannot load a torchvision wheel's compiled operators (that wheel links CUDA), and
  then ``import torchvision`` itself fails, because it describes ``torchvision::nms`` without defining it.
  Where the operators cannot be loaded, their two signatures are declared before the first import.
  Calling one then ends in torchvision's own error; the pose networks and the decoder never do.
* ``matplotlib.cm.get_cmap`` is gone, which OpenPifPaf calls while it is imported. It is given back.
* OpenPifPaf keeps its settings in class attributes, in Python and in its C++ decoder, so that the last one
  to configure it would win. `decoder_settings` sets them around one call and puts back what was there.
"""

from __future__ import annotations

import importlib.util
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch

from activity.errors import ConfigurationError

_TORCHVISION_SIGNATURES: Final = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_SETTINGS_LOCK: Final = threading.RLock()


def _declare_missing_torchvision_operators() -> torch.library.Library | None:
    """Make ``import torchvision`` work where its compiled operators cannot be loaded.

    Returns:
        The library that holds the declarations, which must stay alive, or `None` where none was needed.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ConfigurationError("OpenPifPaf needs torchvision, which is not installed; run scripts/setup")
    for compiled in Path(found.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(compiled))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for signature in _TORCHVISION_SIGNATURES:
        library.define(signature)  # type: ignore[no-untyped-call]
    return library


def _give_back_get_cmap() -> None:
    """Define ``matplotlib.cm.get_cmap``, removed in matplotlib 3.9, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return
    import matplotlib as mpl  # noqa: PLC0415 - optional: only training installs it
    import matplotlib.cm  # noqa: PLC0415

    if not hasattr(matplotlib.cm, "get_cmap"):
        matplotlib.cm.get_cmap = lambda name: mpl.colormaps[name]  # type: ignore[attr-defined]


def _import_openpifpaf() -> ModuleType:
    with warnings.catch_warnings():
        # raised by matplotlib, and by whatever old idiom Python comes to warn of inside OpenPifPaf
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import openpifpaf as module  # noqa: PLC0415 - only after what it needs is in place
    torch.ops.openpifpaf.set_quiet(True)  # the decoder reports every buffer that it enlarges
    return module  # type: ignore[no-any-return]


_DECLARED: Final = _declare_missing_torchvision_operators()
_give_back_get_cmap()
openpifpaf: Final[Any] = _import_openpifpaf()
"""The imported package."""


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """Settings of OpenPifPaf's C++ decoder; the defaults are OpenPifPaf's own.

    Attributes:
        seed_threshold: Least confidence at which a joint may start a person, in [0, 1].
        cif_threshold: Least confidence at which a cell votes for where a joint is, in [0, 1].
        caf_threshold: Least confidence at which a cell may connect two joints, in [0, 1].
        keypoint_threshold: Least confidence of a joint that is kept, in [0, 1].
        relative_keypoint_threshold: The same, as a share of the joint that it grew from, in [0, 1].
        instance_threshold: Least score of a person that is kept, in [0, 1].
        width_factor: Factor on the predicted widths of joints before decoding: cells vote with a Gaussian of
            half that width, so that a network of imprecise vectors finds more with wider ones.

    Raises:
        ConfigurationError: If a threshold is outside [0, 1], or seeds are accepted that no joint could be.
    """

    seed_threshold: float = 0.2
    cif_threshold: float = 0.3
    caf_threshold: float = 0.3
    keypoint_threshold: float = 0.15
    relative_keypoint_threshold: float = 0.5
    instance_threshold: float = 0.15
    width_factor: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.width_factor <= 16:
            raise ConfigurationError(f"width_factor: expected a factor in (0, 16], got {self.width_factor}")
        for name in self.__slots__:
            value = getattr(self, name)
            if name == "width_factor":
                continue
            if not 0 <= value <= 1:
                raise ConfigurationError(f"{name}: expected a threshold in [0, 1], got {value}")
        if self.seed_threshold < self.keypoint_threshold:
            raise ConfigurationError(
                f"seed_threshold {self.seed_threshold} is below keypoint_threshold {self.keypoint_threshold}: "
                "a person would start from a joint that is then dropped; lower keypoint_threshold too"
            )


def _cells(settings: DecoderSettings) -> tuple[tuple[Any, str, float], ...]:
    """Each place in the C++ decoder that holds a setting: class, name of the property, value wanted."""
    decoder = torch.classes.openpifpaf_decoder
    parts = torch.classes.openpifpaf_decoder_utils
    return (
        (parts.CifSeeds, "threshold", settings.seed_threshold),
        (parts.CifHr, "threshold", settings.cif_threshold),
        (parts.CafScored, "default_score_th", settings.caf_threshold),
        (decoder.CifCaf, "keypoint_threshold", settings.keypoint_threshold),
        (decoder.CifCaf, "keypoint_threshold_rel", settings.relative_keypoint_threshold),
        (parts.NMSKeypoints, "keypoint_threshold", settings.keypoint_threshold),
        (parts.NMSKeypoints, "instance_threshold", settings.instance_threshold),
        # everything else that OpenPifPaf's command line can change is held at its default
        (decoder.CifCaf, "force_complete", False),
        (decoder.CifCaf, "greedy", False),
        (decoder.CifCaf, "block_joints", False),
        (decoder.CifCaf, "reverse_match", True),
    )


@contextmanager
def decoder_settings(settings: DecoderSettings) -> Iterator[None]:
    """Decode under `settings`, then put back what the decoder was set to before.

    One thread at a time may be inside: the settings are the process's, not the decoder's.
    """
    with _SETTINGS_LOCK:
        before = [(holder, name, getattr(holder, f"get_{name}")()) for holder, name, _ in _cells(settings)]
        try:
            for holder, name, value in _cells(settings):
                getattr(holder, f"set_{name}")(value)
            yield
        finally:
            for holder, name, value in before:
                getattr(holder, f"set_{name}")(value)


@contextmanager
def without_pretrained_backbones() -> Iterator[None]:
    """Build base networks with random weights: OpenPifPaf would download ImageNet's otherwise."""
    with _SETTINGS_LOCK:
        classes = [base for base in openpifpaf.BASE_TYPES if hasattr(base, "pretrained")]
        before = [base.pretrained for base in classes]
        try:
            for base in classes:
                base.pretrained = False
            with warnings.catch_warnings():
                # OpenPifPaf passes `pretrained` to torchvision by position
                warnings.filterwarnings("ignore", message=".*'?weights'?.*", category=UserWarning)
                yield
        finally:
            for base, value in zip(classes, before, strict=True):
                base.pretrained = value


@contextmanager
def without_inplace_fields() -> Iterator[None]:
    """Let the heads make their fields without writing in place, which no ONNX graph can."""
    with _SETTINGS_LOCK:
        head = openpifpaf.network.heads.CompositeField4
        before = head.inplace_ops
        try:
            head.inplace_ops = False
            yield
        finally:
            head.inplace_ops = before
