"""The people whom the heat-map network learns from: read from every collection, cut out once, and stored."""

from __future__ import annotations

import hashlib
from pathlib import Path

from activity.datasets.coco_keypoints import LabelledPerson, read_lspet, read_single17, read_teacher_people
from activity.datasets.person_crops import PersonCrops, cut_people, store_person_crops
from activity.datasets.rendered_crops import render_people
from activity.datasets.track_people import read_track_people
from activity.errors import ConfigurationError
from activity.training.heatmaps.config import PoseDataConfig, TopDownConfig


def stored_people(config: TopDownConfig) -> PersonCrops:
    """Cut out the people of every collection that the configuration names, or open those cut out before."""
    data = config.data
    labelled = config.cache / "labelled"
    rendered = config.cache / f"rendered{data.rendered_frames}_seed{data.rendered_seed}"
    people = _read_people(data)
    if people and not labelled.is_dir():
        store_person_crops(cut_people(people, masked_origins=("single17",)), labelled)
    if data.rendered_frames and not rendered.is_dir():
        store_person_crops(render_people(data.rendered_frames, seed=data.rendered_seed), rendered)
    parts = [labelled] if people else []
    if data.tracks is not None:
        parts.append(_stored_tracks(data, config.cache))
    return PersonCrops([*parts, rendered] if data.rendered_frames else parts)


def _stored_tracks(data: PoseDataConfig, cache: Path) -> Path:
    """Where the people of `data.tracks` are stored: other reports, a new analysis into the same folder too, get another place."""
    if data.tracks is None or data.clips is None:
        raise ConfigurationError("data.tracks: expected data.clips beside it")
    digest = hashlib.sha256()
    for report in sorted(data.tracks.rglob("report.json")):
        digest.update(report.read_bytes())
    directory = cache / f"tracks_{digest.hexdigest()[:12]}"
    if not directory.is_dir():
        store_person_crops(cut_people(read_track_people(data.tracks, clips=data.clips)), directory)
    return directory


def _read_people(data: PoseDataConfig) -> list[LabelledPerson]:
    people: list[LabelledPerson] = []
    if data.people is not None:
        if data.clips is None or data.weapons is None:
            raise ConfigurationError("data.people: expected data.clips and data.weapons beside it")
        people += read_teacher_people(
            data.people, clips=data.clips, weapons=data.weapons, least_agreement=data.least_agreement
        )
    if data.single17 is not None:
        people += read_single17(data.single17)
    if data.lspet is not None:
        people += read_lspet(data.lspet)
    return people
