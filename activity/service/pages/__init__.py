"""Pages for people: sign in, upload a clip and follow it, look at incidents and decide them, cameras; `ROUTERS` go to the app."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from activity.service.pages import access, assets, cameras, clips, incidents, models

ROUTERS: Final[tuple[APIRouter, ...]] = (
    access.router,
    assets.router,
    cameras.router,
    clips.router,
    incidents.router,
    models.router,
)

__all__ = ["ROUTERS"]
