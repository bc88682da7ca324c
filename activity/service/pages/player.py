"""What the incident's page plays: the original clip under layers, or the annotated film; and the timeline below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from activity.client import schemas
from activity.errors import OutputError
from activity.report.layers import FRAMES_FILE, LAYERS_FILE, Layers, read_layers
from activity.report.timeline import Timeline, timeline_of
from activity.service.api.files import files_of_job
from activity.service.api.originals import hides_people
from activity.service.database import Incident
from activity.service.runtime import Service

_FILM: Final = "annotated.mp4"


@dataclass(frozen=True, slots=True)
class Player:
    """What the page shows of the clip.

    Attributes:
        source: Address of the film, `None` where there is none any more.
        layers: Addresses of `overlay.json` and `overlay.jsonl`, where the film is the original that they are drawn over.
        film: Address of the annotated film, if there is one.
        has_heat: Whether the analysis recorded attention, or a map of fire.
        rate_hz: Frames a second, for going from one to the next.
        covered: Whether people are made unrecognisable, so that the original is not played.
        timeline: Of people, alerts and weapons; `None` for analyses that did not write `overlay.json`.
    """

    source: str | None
    layers: tuple[str, str] | None
    film: str | None
    has_heat: bool
    rate_hz: float
    covered: bool
    timeline: Timeline | None


def player_of(service: Service, incident: schemas.Incident, files: Sequence[schemas.File]) -> Player:
    """What to play for an incident, given the files that this person may see."""
    by_name = {file.name: file.href for file in files}
    with service.database.read() as session:
        covered = hides_people(session.get_one(Incident, incident.id).job.settings)
        stored = {file.name: file.key for file in files_of_job(session, incident.job_id)}
    layers = _read_layers(service, stored.get(LAYERS_FILE))
    original = next((href for name, href in by_name.items() if name.startswith("clip.")), None)
    film = by_name.get(_FILM)
    drawn = layers is not None and original is not None and not covered and FRAMES_FILE in by_name
    return Player(
        source=original if drawn else film,
        layers=(by_name[LAYERS_FILE], by_name[FRAMES_FILE]) if drawn else None,
        film=film,
        has_heat=layers is not None and (layers.attention or bool(layers.fire_ms)),
        rate_hz=25.0 if layers is None else layers.frame_rate_hz,
        covered=covered,
        timeline=None
        if layers is None
        else timeline_of(
            layers,
            rule=incident.kind,
            severity=incident.severity,
            start_s=incident.start_s,
            end_s=incident.end_s,
            track_ids=incident.track_ids,
        ),
    )


def _read_layers(service: Service, key: str | None) -> Layers | None:
    if key is None:
        return None
    try:
        with service.storage.local_file(key) as path:
            return read_layers(path)
    except (FileNotFoundError, OutputError):
        return None
