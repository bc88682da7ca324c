"""The application with its pages, in this process, and browsers of people with a role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from activity.service.api import create_app
from activity.service.database import Role
from activity.service.pages import ROUTERS
from tests.service.api.conftest import Api, api, open_api, recognizer

__all__ = ["api", "open_api", "recognizer"]


@dataclass
class Page(HTMLParser):
    """A page as its elements: what a browser would make of it."""

    html: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def forms_to(self, ending: str) -> int:
        return sum(str(form.get("action")).endswith(ending) for form in self.all("form"))

    @property
    def token(self) -> str:
        return next(str(meta["content"]) for meta in self.all("meta") if meta.get("name") == "csrf-token")


class Browser:
    """A person's browser: cookies, and `Accept: text/html`."""

    def __init__(self, app: FastAPI) -> None:
        self.client = TestClient(
            app, headers={"Accept": "text/html"}, follow_redirects=False, raise_server_exceptions=False
        )

    def page(self, path: str, *, status: int = 200) -> Page:
        response = self.client.get(path)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return Page(response.text)

    def sign_in(self, key: str) -> None:
        response = self.client.post("/login", data={"key": key, "next": "/incidents"})
        assert (response.status_code, response.headers["location"]) == (303, "/incidents")


@pytest.fixture
def pages(api: Api) -> FastAPI:
    return create_app(api.service, more=ROUTERS)


@pytest.fixture
def anonymous(pages: FastAPI) -> Browser:
    return Browser(pages)


@pytest.fixture
def browser_of(api: Api, pages: FastAPI) -> Callable[[Role], Browser]:
    def open_browser(role: Role) -> Browser:
        browser = Browser(pages)
        browser.sign_in(api.keys[role])
        return browser

    return open_browser
