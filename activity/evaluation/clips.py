"""How well the whole pipeline names clips, and how often its rules raise an alarm: folders of clips, one a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.splits import is_held_out
from activity.errors import ActivityError, DatasetError
from activity.evaluation.intervals import wilson_interval
from activity.evaluation.recognition import measure_answers
from activity.pipeline import Pipeline
from activity.report import read_head
from activity.structures import BACKGROUND, LEADING_RULE

_NEGATIONS: Final = ("no_", "no-", "non_", "non-", "not_", "not-")


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip whose class is known.

    Attributes:
        path: The video file.
        folder: Name of the folder that it lies in.
        label: The recogniser's class that the folder stands for.
        source: What it was cut from, its own path where nothing is known.
    """

    path: Path
    folder: str
    label: str
    source: str


@dataclass(frozen=True, slots=True)
class ClipAnswer:
    """What the pipeline said of one clip.

    Attributes:
        clip: The clip.
        probabilities: By class; empty where nobody could be judged.
        alarms: Classes for which a rule raised an alert.
        failure: Why the clip could not be analysed, or `None`.
        rule: How the pipeline came to `probabilities`.
    """

    clip: LabelledClip
    probabilities: Mapping[str, float]
    alarms: frozenset[str]
    failure: str | None = None
    rule: str = LEADING_RULE


def find_clips(
    root: Path,
    classes: Sequence[str],
    *,
    suffixes: frozenset[str],
    named: Mapping[str, str] | None = None,
    sources: Path | None = None,
    held_out: bool = False,
) -> list[LabelledClip]:
    """Find the clips of ``root/<folder>/``; see `class_of_folder` for which class a folder stands for.

    Args:
        root: The folder of folders; files beside them are passed over.
        classes: The recogniser's.
        suffixes: Endings of videos, in lower case.
        named: Class by folder, where the folder's name does not say it.
        sources: CSV with the columns `clip` and `source`.
        held_out: Only clips whose source no training saw; needs `sources`.

    Raises:
        DatasetError: If there is no clip, a folder's class is not known, or a clip's source is not.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: expected a folder with one folder of clips for each class")
    if held_out and sources is None:
        raise DatasetError("held out by source: name a CSV with the columns clip and source")
    table = None if sources is None else read_clip_sources(sources).sources
    clips = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes]
        label = class_of_folder(folder.name, classes, named or {}) if paths else ""
        for path in paths:
            if table is not None and path.stem not in table:
                raise DatasetError(f"{path}: {sources} does not name its source")
            source = str(path) if table is None else table[path.stem]
            if not held_out or is_held_out(source):
                clips.append(LabelledClip(path, folder.name, label, source))
    if not clips:
        raise DatasetError(f"{root}: expected clips in <class>/, found none{' held out' if held_out else ''}")
    return clips


def class_of_folder(folder: str, classes: Sequence[str], named: Mapping[str, str]) -> str:
    """The class that a folder stands for.

    What is named counts; else the class of the same name in any case; else the only class that begins with the
    folder's name (``fight``: Fighting); else, for ``no_...`` of a class, the background class.

    Raises:
        DatasetError: If no rule decides.

    >>> [class_of_folder(name, ["Fighting", "Normal"], {}) for name in ("normal", "fight", "no_fight")]
    ['Normal', 'Fighting', 'Normal']
    """
    if folder in named:
        if named[folder] not in classes:
            raise DatasetError(f"{folder}: {named[folder]} is none of the classes {', '.join(classes)}")
        return named[folder]
    lower = {name.lower(): name for name in classes}
    if folder.lower() in lower:
        return lower[folder.lower()]
    beginning = [name for name in classes if name.lower().startswith(folder.lower())]
    if len(beginning) == 1:
        return beginning[0]
    if folder.lower().startswith(_NEGATIONS) and BACKGROUND in classes:
        return BACKGROUND
    raise DatasetError(
        f"{folder}: which of the classes {', '.join(classes)} is that? Name it: --label {folder}=CLASS"
    )


def analyze_clips(
    pipeline: Pipeline,
    clips: Sequence[LabelledClip],
    reports: Path,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[ClipAnswer]:
    """Analyse every clip whose report is not there yet; a report is reused for the same clip, networks and settings.

    Args:
        pipeline: Should write neither pages nor videos.
        clips: Any number.
        reports: Gets ``<folder>/<clip>/report.json``.
        progress: Called after each clip with how many are done and how many there are.

    Returns:
        One answer a clip, in order; a clip that cannot be analysed has a `failure`.

    Raises:
        OutputError: If a report cannot be written.
    """
    answers = []
    for number, clip in enumerate(clips, start=1):
        directory = reports / clip.folder / clip.path.name
        try:
            if not pipeline.is_done(clip.path, directory):
                pipeline.write(pipeline.analyze(clip.path), directory)
        except ActivityError as error:
            answers.append(ClipAnswer(clip, {}, frozenset(), str(error)))
        else:
            report = read_head(directory / "report.json")
            alarms = frozenset(alert.label for alert in report.alerts)
            answers.append(ClipAnswer(clip, report.summary.probabilities, alarms, rule=report.summary.rule))
        progress(number, len(clips))
    return answers


def measure_clips(answers: Sequence[ClipAnswer], classes: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Figures of the answers.

    A clip in which nobody could be judged, or that could not be analysed, counts as what follows from it: no
    alarm, hence the background class where the recogniser has one, else a wrong answer.

    Args:
        answers: At least one.
        classes: The recogniser's, in the order of rows and columns of the confusion matrix.
        seed: Of the bootstrap.

    Returns:
        What `measure_answers` returns (`accuracy`, `balanced_accuracy`, `interval` by resampling sources, `n`,
        `confusion` with rows truth, ...), `classes`, `clip_rule`, ``alarms``: by class the share of its clips for
        which a rule raised an alert, ``rate``, with its 95 % Wilson ``interval``, ``alarmed`` and ``n``;
        `unjudged`, and `failed` with the reason by clip.
    """
    rows = np.zeros((len(answers), len(classes)))
    index = {name: position for position, name in enumerate(classes)}
    truth = np.array([index[answer.clip.label] for answer in answers])
    for row, answer in enumerate(answers):
        if answer.probabilities:
            rows[row] = [answer.probabilities[name] for name in classes]
        elif BACKGROUND in index:
            rows[row, index[BACKGROUND]] = 1
        else:
            rows[row, (truth[row] + 1) % len(classes)] = 1
    groups = [answer.clip.source for answer in answers]
    alarms = {}
    for name in classes:
        own = [bool(answer.alarms) for answer in answers if answer.clip.label == name]
        if own:
            alarms[name] = {
                "rate": sum(own) / len(own),
                "interval": list(wilson_interval(sum(own), len(own))),
                "alarmed": sum(own),
                "n": len(own),
            }
    return {
        **measure_answers(rows, truth, classes, groups=groups, seed=seed),
        "classes": list(classes),
        "clip_rule": next((answer.rule for answer in answers if answer.probabilities), LEADING_RULE),
        "alarms": alarms,
        "unjudged": sum(not answer.probabilities and answer.failure is None for answer in answers),
        "failed": {str(answer.clip.path): answer.failure for answer in answers if answer.failure is not None},
    }
