"""`/models`: the card of each network that analyses use."""

from __future__ import annotations

from fastapi import Request, Response

from activity.service.api.dependencies import Opened, Viewer
from activity.service.pages.rendering import render
from activity.service.pages.routing import page_router

router = page_router()


@router.get("/models")
def show_models(request: Request, service: Opened, _actor: Viewer) -> Response:
    """What each network was trained on, what it reaches, and where it fails."""
    return render(request, "models", models=service.models)
