"""Reviewed incidents with the people who were seen, from the service's database and storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from activity.errors import OutputError
from activity.report import read_report
from activity.report.schema import Report
from activity.service.database import Database, Incident, IncidentState
from activity.service.database.repository.jobs import get_step_file
from activity.service.storage import Storage
from activity.structures import BACKGROUND, Track

REPORT: Final = "report.json"


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedIncident:
    """One incident, what a person says it is, and everybody in the clip.

    Attributes:
        incident_id: Its id.
        clip_id: The clip's id: incidents of one clip are not independent.
        clip_sha256: Hex digest of the clip.
        clip_key: Where the clip lies in the storage; `None` once its time is over.
        decision: ``confirmed``, ``dismissed`` or ``corrected``.
        label: What it is: the alert's label, the corrected one, or ``Normal`` for a dismissed incident.
        start_s: Begin, in seconds from the clip's first frame.
        end_s: End, in seconds from the clip's first frame.
        track_ids: The people whom the label is about.
        tracks: Everybody in the clip, in pixels of the analysed frames.
        weapons: Frame index and box (x0, y0, x1, y1 px) of each weapon that was seen.
        width: Pixels of the analysed frames.
        height: Pixels of the analysed frames.
        frame_rate_hz: Of the clip.
        pictures_allowed: Whether its pictures may be shown: not where the analysis was to cover heads or show none.
    """

    incident_id: str
    clip_id: str
    clip_sha256: str
    clip_key: str | None
    decision: IncidentState
    label: str
    start_s: float
    end_s: float
    track_ids: tuple[int, ...]
    tracks: tuple[Track, ...]
    weapons: tuple[tuple[int, tuple[float, float, float, float]], ...]
    width: int
    height: int
    frame_rate_hz: float
    pictures_allowed: bool = True

    def involved(self) -> Iterator[tuple[Track, npt.NDArray[np.intp]]]:
        """Each person whom the label is about, with the positions [K] in the track that lie within the incident."""
        for track in self.tracks:
            if track.track_id in self.track_ids:
                inside = np.flatnonzero((track.times_s >= self.start_s) & (track.times_s <= self.end_s))
                if len(inside):
                    yield track, inside


def true_label(incident: Incident) -> str:
    """What a reviewed incident is, by the last person who looked at it."""
    match incident.state:
        case "confirmed":
            return incident.label
        case "corrected":
            return incident.label_corrected or incident.label
        case "dismissed":
            return BACKGROUND
        case "new":
            raise ValueError(f"incident {incident.id}: nobody has reviewed it")


def collect_reviewed(
    database: Database, storage: Storage, *, skipped: dict[str, str]
) -> Iterator[ReviewedIncident]:
    """Every reviewed incident, by time; one report is in memory at a time.

    Args:
        database: Incidents and reviews.
        storage: Reports.
        skipped: Filled with incidents that cannot be used, and why.
    """
    with database.read() as session:
        ids = session.scalars(
            select(Incident.id).where(Incident.state != "new").order_by(Incident.job_id, Incident.ordinal)
        ).all()
        job_id, report = "", None
        for incident_id in ids:
            incident = session.get_one(Incident, incident_id)
            if incident.job_id != job_id:
                job_id, report = incident.job_id, None
                try:
                    report = _read(session, storage, job_id)
                except (OutputError, FileNotFoundError) as error:
                    reason = f"its report cannot be read: {error}"
            if report is None:
                skipped[incident_id] = reason
                continue
            yield _reviewed(incident, report, storage)


def _read(session: Session, storage: Storage, job_id: str) -> Report:
    key = get_step_file(session, job_id, "report", REPORT)
    if key is None:
        raise OutputError("the analysis wrote none")
    with storage.local_file(key) as path:
        return read_report(path)


def _reviewed(incident: Incident, report: Report, storage: Storage) -> ReviewedIncident:
    clip = incident.clip
    there = clip.deleted_at is None and storage.exists(clip.storage_key)
    output = report.settings.get("output")
    hidden = isinstance(output, dict) and (output.get("redact") or output.get("skeleton_only"))
    return ReviewedIncident(
        incident_id=incident.id,
        clip_id=clip.id,
        clip_sha256=clip.sha256,
        clip_key=clip.storage_key if there else None,
        decision=incident.state,
        label=true_label(incident),
        start_s=incident.start_s,
        end_s=incident.end_s,
        track_ids=tuple(int(track_id) for track_id in incident.track_ids),
        tracks=tuple(entry.to_track() for entry in report.tracks),
        weapons=tuple(
            (item.frame_index, item.box) for item in report.detections.items if item.label == "weapon"
        ),
        width=report.clip.width,
        height=report.clip.height,
        frame_rate_hz=report.clip.frame_rate_hz,
        pictures_allowed=not hidden,
    )
