"""Who may see a clip as it was uploaded, where the operator has heads covered or no picture kept at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from activity.service.database import Job
from activity.service.problems import Problem
from activity.service.security.gate import Actor


def hides_people(settings: Mapping[str, Any]) -> bool:
    """Whether an analysis with these settings covers heads, or keeps no pixel of the clip."""
    output = settings.get("output") or {}
    return bool(output.get("redact") or output.get("skeleton_only"))


def may_see_original(session: Session, clip_id: str, actor: Actor) -> bool:
    """Whether the uploaded file may be shown: to analysts, who export it as evidence; to viewers unless it hides people."""
    if actor.may("analyst"):
        return True
    jobs = session.scalars(select(Job.settings).where(Job.clip_id == clip_id))
    return not any(hides_people(settings) for settings in jobs)


def require_original(session: Session, clip_id: str, actor: Actor) -> None:
    """Refuse who may not see the uploaded file.

    Raises:
        Problem: 403.
    """
    if not may_see_original(session, clip_id, actor):
        raise Problem(
            403,
            "original",
            "people are made unrecognisable in what is made of this clip; the original is for analysts and admins",
        )
