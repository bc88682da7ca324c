"""The whole way of an analyst in a real Chromium: sign in, upload, follow, look, decide, export."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from activity.service.evidence.verification import verify_bundle

DEMO = Path(__file__).parents[3] / "docs/demo/demo.mp4"
ANALYSIS_MS = 900_000.0
PICTURES = os.environ.get("ACTIVITY_SCREENSHOTS")
"""A folder for pictures of every page, light and dark, to be looked at; none are made without it."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real server in a state folder of its own."""
    environment = {
        **os.environ,
        "ACTIVITY_HOME": str(tmp_path_factory.mktemp("home")),
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "activity", "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@pytest.fixture
def page(served: dict[str, str]) -> Iterator[Page]:
    """A page of Chromium; the test fails if it asks another host, or breaks its security policy."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "expected Chromium on PATH; install the package chromium"
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=root)
        opened = browser.new_context(
            viewport={"width": 1280, "height": 800}, accept_downloads=True
        ).new_page()
        hosts: set[str] = set()
        complaints: list[str] = []
        opened.on("request", lambda request: hosts.add("/".join(request.url.split("/")[:3])))
        opened.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        browser.close()
    assert {host for host in hosts if host.startswith("http")} == {served["url"]}
    assert complaints == []


def picture(page: Page, name: str) -> None:
    if PICTURES is None:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        page.screenshot(path=Path(PICTURES) / f"{name}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")


@pytest.mark.slow
def test_an_analyst_uploads_a_clip_follows_it_decides_its_incident_and_exports_it(
    served: dict[str, str], page: Page, tmp_path: Path
) -> None:
    page.goto(f"{served['url']}/clips")
    expect(page).to_have_title("Sign in · activity")
    picture(page, "login")
    page.get_by_label("API key").fill(served["admin_key"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{served['url']}/clips")

    page.locator("#file").set_input_files(DEMO)
    row = page.locator("tbody tr")
    expect(row).to_contain_text("demo.mp4", timeout=60_000)
    expect(row.locator(".tag")).to_have_text("running", timeout=60_000)
    picture(page, "clips-running")
    # no reload: the server's events move the row on
    expect(row.locator(".tag")).to_have_text("succeeded", timeout=ANALYSIS_MS)
    picture(page, "clips")
    row.get_by_role("link", name="incident").click()

    picture(page, "incidents")
    page.locator("tbody a").first.click()
    expect(page.locator(".reasons li").first).to_be_visible()
    film = page.locator("#film")
    page.wait_for_function("document.getElementById('film').readyState >= 1", timeout=60_000)
    assert film.evaluate("film => film.duration") > 1
    assert film.evaluate("film => film.error") is None
    picture(page, "incident")

    note = page.locator("form", has=page.get_by_role("button", name="Confirm")).get_by_label("Note")
    note.fill("seen on the film")
    note.press("Enter")
    expect(page.locator("#state")).to_have_text("confirmed")
    expect(page.locator("#reviews")).to_contain_text("seen on the film")
    picture(page, "incident-confirmed")

    with page.expect_download(timeout=120_000) as started:
        page.get_by_role("link", name="Export as evidence").click()
    bundle = tmp_path / "bundle.zip"
    started.value.save_as(bundle)
    assert verify_bundle(bundle).valid

    page.goto(f"{served['url']}/models")
    picture(page, "models")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{served['url']}/login")


@pytest.mark.slow
def test_every_control_is_reached_by_the_keyboard_and_shows_that_it_is(
    served: dict[str, str], page: Page
) -> None:
    page.goto(f"{served['url']}/login")
    page.keyboard.press("Tab")
    for _ in range(2):
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Shift+Tab")
