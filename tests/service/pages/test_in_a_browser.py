"""The whole way of an analyst in a real Chromium: sign in, upload, follow, look, decide, export."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
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


def wait_until(page: Page, condition: str, *, timeout_s: float = 60.0) -> None:
    """Wait until a JavaScript expression is true; Playwright's own way evaluates text, which the pages' policy forbids."""
    deadline = time.monotonic() + timeout_s
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def look_at_the_film(page: Page) -> None:
    """Switch the layers over the original clip, by mouse and by keys, and move along the timeline."""
    film, layers = page.locator("#player"), page.locator("#layers")
    assert "/clip.mp4#t=" in str(film.get_attribute("src"))
    expect(layers).to_have_attribute("data-ready", "yes", timeout=60_000)
    assert film.evaluate("film => film.error") is None
    duration_s = film.evaluate("film => film.duration")

    # a click on a row goes there, and the layers follow
    row = page.locator("#timeline [data-axis]").first
    box = row.bounding_box()
    assert box is not None
    row.click(position={"x": box["width"] * 0.6, "y": 5})
    assert film.evaluate("film => film.currentTime") == pytest.approx(0.6 * duration_s, abs=0.1)
    wait_until(page, f"Math.abs(document.getElementById('layers').dataset.ms - {600 * duration_s}) < 100")
    expect(layers).not_to_have_attribute("data-people", "0")

    def painted() -> int:
        return int(
            layers.evaluate(
                "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
                ".data.reduce((sum, value, i) => sum + (i % 4 === 3 && value > 0), 0)"
            )
        )

    switches = page.locator("[data-layer]")
    for switch in switches.all():
        switch.uncheck()
    assert painted() == 0
    alone = {}
    for switch in switches.all():
        switch.check()
        alone[str(switch.get_attribute("data-layer"))] = painted()
        switch.uncheck()
    assert all(count > 100 for count in alone.values()), alone
    assert len(set(alone.values())) == 4, alone
    page.locator("#replay").focus()
    for key in "sbhi":
        page.keyboard.press(key)
    assert all(switch.is_checked() for switch in switches.all())
    page.keyboard.press("h")
    assert not page.locator("[data-layer=attention]").is_checked()
    assert painted() > 0

    # as many pixels of the picture, the layers' size follows
    wide = layers.evaluate("canvas => canvas.width")
    page.set_viewport_size({"width": 700, "height": 800})
    wait_until(page, f"document.getElementById('layers').width !== {wide}")
    assert painted() > 0
    page.set_viewport_size({"width": 1280, "height": 800})

    page.locator("[role=slider]").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert film.evaluate("film => film.currentTime") == pytest.approx(0.5, abs=0.01)
    start_s = float(page.locator("#stage").get_attribute("data-start") or "nan")
    page.locator("#replay").click()
    wait_until(page, f"document.getElementById('layers').dataset.ms > {1000 * start_s + 300}")
    expect(layers).not_to_have_attribute("data-alerts", "0")
    page.keyboard.press("k")
    assert film.evaluate("film => film.paused")


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
    row = page.locator("tbody tr").first
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
    look_at_the_film(page)
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
def test_an_admin_draws_a_zone_by_pointer_and_by_keys(served: dict[str, str], page: Page) -> None:
    page.goto(f"{served['url']}/cameras/new")
    page.get_by_label("API key").fill(served["admin_key"])
    page.keyboard.press("Enter")
    page.get_by_label("Name", exact=True).fill("Entrance")
    page.get_by_role("button", name="Add the camera").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Entrance")
    camera = page.url.partition("?")[0]

    # a clip of it, so that there is a frame to draw on
    page.goto(f"{served['url']}/clips")
    page.locator("#camera").select_option(label="Entrance")
    page.locator("#file").set_input_files(DEMO)
    # the file is sent: another clip of that name may be in the list from before
    expect(page.locator("tbody tr[data-final=no]").first).to_contain_text("demo.mp4", timeout=120_000)
    page.goto(camera)
    wait_until(page, "document.getElementById('backdrop').readyState >= 2")
    size = page.locator("#backdrop").evaluate(
        "film => [film.videoWidth / film.videoHeight, film.clientWidth / film.clientHeight]"
    )
    assert size[0] == pytest.approx(
        size[1], abs=0.02
    )  # no bars: shares of the element are shares of the picture

    page.get_by_role("button", name="Add a zone").click()
    zones = page.locator("textarea[name=zones]")

    def polygon() -> list[list[float]]:
        found: list[list[float]] = json.loads(zones.input_value())[0]["polygon"]
        return found

    assert polygon() == [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert polygon()[0] == pytest.approx([0.28, 0.301])
    page.keyboard.press("Enter")
    assert polygon()[1] == pytest.approx([0.49, 0.3005], abs=1e-4)
    outline = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert outline.startswith("Zone 1, corner 2 of 5")
    page.keyboard.press("Delete")
    assert len(polygon()) == 4

    box = page.locator("#corners").bounding_box()
    assert box is not None

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    page.mouse.move(*at(0.7, 0.7))
    page.mouse.down()
    page.mouse.move(*at(0.8, 0.85), steps=4)
    page.mouse.up()
    assert polygon()[2] == pytest.approx([0.8, 0.85], abs=0.01)
    page.mouse.click(*at(0.5, 0.9))  # nearest to the lower side
    assert polygon()[3] == pytest.approx([0.5, 0.9], abs=0.01)
    page.get_by_label("Name of the zone").fill("Floor")
    page.get_by_label("What the zone is for").select_option("watch")
    page.get_by_label("Fighting").fill("80")
    picture(page, "camera")
    drawn = json.loads(zones.input_value())
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    assert json.loads(zones.input_value()) == drawn
    assert (drawn[0]["name"], drawn[0]["use"], len(drawn[0]["polygon"])) == ("Floor", "watch", 5)
    picture(page, "camera-saved")
    page.goto(f"{served['url']}/cameras")
    expect(page.locator("tbody tr")).to_contain_text(["Floor"])
    picture(page, "cameras")
    page.goto(f"{served['url']}/clips")
    page.get_by_role("button", name="Cancel").click()


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
