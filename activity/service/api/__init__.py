"""The HTTP API under /v1."""

from activity.service.api.app import create_app

__all__ = ["create_app"]
