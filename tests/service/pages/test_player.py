"""The player on an incident's page: which film it plays for whom, its layers, and the timeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from activity.report import write_layers
from activity.service.database import Clip, Job, Role, StepOutput, now
from activity.service.jobs.retention import KEPT_FILES
from tests.report.conftest import build_analysis, weapon_findings
from tests.service.api.conftest import Api
from tests.service.pages.conftest import Browser, Page

Open = Callable[[Role], Browser]


@pytest.fixture
def incident(api: Api, tmp_path: Path) -> str:
    """An incident whose job wrote layers and an annotated film."""
    job, (incident,) = api.finished_job()
    write_layers(build_analysis(**weapon_findings(build_analysis())), tmp_path)
    (tmp_path / "annotated.mp4").write_bytes(b"film")
    files = {}
    for name in ("overlay.json", "overlay.jsonl", "annotated.mp4"):
        key = f"jobs/{job}/{name}"
        files[name] = {"key": key, "sha256": "d" * 64, "size_bytes": (tmp_path / name).stat().st_size}
        api.service.storage.put(key, tmp_path / name)
    with api.service.database.write() as session:
        output = session.get_one(StepOutput, (job, "report"))
        output.files = output.files | files
    return incident


def hide_people(api: Api, how: str) -> None:
    with api.service.database.write() as session:
        session.scalars(select(Job)).one().settings = {"output": {how: True}}


def film_of(page: Page) -> str:
    (video,) = page.all("video")
    return str(video["src"]).partition("#")[0].rpartition("/")[2]


def stage_of(page: Page) -> dict[str, str | None]:
    return next(section for section in page.all("section") if section.get("id") == "stage")


def test_the_original_is_played_under_layers_that_can_be_switched(browser_of: Open, incident: str) -> None:
    page = browser_of("viewer").page(f"/incidents/{incident}")
    assert film_of(page) == "clip.mp4"
    stage = stage_of(page)
    place = f"/v1/incidents/{incident}/evidence"
    assert [stage[f"data-{name}"] for name in ("layers", "frames", "film")] == [
        f"{place}/overlay.json", f"{place}/overlay.jsonl", f"{place}/annotated.mp4"
    ]  # fmt: skip
    switches = [own for own in page.all("input") if "data-layer" in own]
    assert [own["data-layer"] for own in switches] == ["skeletons", "boxes", "attention", "alert"]
    assert ["checked" in own for own in switches] == [True, True, False, True]
    assert not any("disabled" in own for own in switches)
    assert len(page.all("canvas")) == 1
    assert {str(own["src"]).partition("?")[0] for own in page.all("script")} == {
        "/static/pages.js", "/static/player.js", "/static/timeline.js"
    }  # fmt: skip


def test_layers_are_sent_to_viewers_by_parts_and_to_nobody_else(api: Api, incident: str) -> None:
    place = f"/v1/incidents/{incident}/evidence"
    layers = api.viewer.get(f"{place}/overlay.json")
    assert layers.headers["content-type"] == "application/json"
    piece = layers.json()["pieces"][0]
    part = api.viewer.get(
        f"{place}/overlay.jsonl",
        headers={"Range": f"bytes={piece['offset']}-{piece['offset'] + piece['size_bytes'] - 1}"},
    )
    assert (part.status_code, part.headers["content-type"]) == (206, "application/x-ndjson")
    assert [person["id"] for person in json.loads(part.content)["people"]] == [1, 2, 3]
    for name in ("overlay.json", "overlay.jsonl"):
        assert api.anybody.get(f"{place}/{name}").status_code == 401


@pytest.mark.parametrize("how", ["redact", "skeleton_only"])
def test_where_people_are_hidden_the_film_is_the_annotated_one_and_the_original_not_for_viewers(
    browser_of: Open, api: Api, incident: str, how: str
) -> None:
    hide_people(api, how)
    for role in ("viewer", "analyst"):
        page = browser_of(role).page(f"/incidents/{incident}")
        assert film_of(page) == "annotated.mp4"
        assert "made unrecognisable" in page.html
        assert "data-layers" not in stage_of(page)
        assert 'id="timeline"' in page.html

    def originals(client: TestClient) -> tuple[int, int, bool]:
        clip = api.viewer.get(f"/v1/incidents/{incident}").json()["clip_id"]
        place = f"/v1/incidents/{incident}/evidence"
        listed = [file["name"] for file in client.get(place).json()["items"]]
        return (
            client.get(f"/v1/clips/{clip}/content").status_code,
            client.get(f"{place}/clip.mp4").status_code,
            "clip.mp4" in listed,
        )

    assert originals(api.viewer) == (403, 404, False)
    assert originals(api.analyst) == originals(api.admin) == (200, 200, True)


def test_a_clip_whose_time_is_over_keeps_its_timeline(browser_of: Open, api: Api, incident: str) -> None:
    with api.service.database.write() as session:
        session.scalars(select(Clip)).one().deleted_at = now()
    page = browser_of("viewer").page(f"/incidents/{incident}")
    assert film_of(page) == "annotated.mp4"  # retention deletes that too; here it is still there
    assert "data-layers" not in stage_of(page)
    assert 'id="timeline"' in page.html
    assert {"overlay.json", "overlay.jsonl"} & KEPT_FILES == {
        "overlay.json"
    }  # no pose outlives the clip there


def test_an_analysis_without_layers_shows_its_film_alone(browser_of: Open, api: Api) -> None:
    _, (incident,) = api.finished_job()
    page = browser_of("viewer").page(f"/incidents/{incident}")
    assert page.all("video") == []
    assert "no film of this clip" in page.html
    assert 'id="timeline"' not in page.html


def test_without_attention_its_switch_is_off_and_says_why(
    browser_of: Open, api: Api, incident: str, tmp_path: Path
) -> None:
    path = tmp_path / "overlay.json"
    layers = json.loads(path.read_text())
    layers["attention"], layers["fire_ms"] = False, None
    path.write_text(json.dumps(layers))
    with api.service.database.read() as session:
        job = session.scalars(select(Job.id)).one()
    api.service.storage.delete(f"jobs/{job}/overlay.json")
    api.service.storage.put(f"jobs/{job}/overlay.json", path)
    page = browser_of("viewer").page(f"/incidents/{incident}")
    switch = next(own for own in page.all("input") if own.get("data-layer") == "attention")
    assert "disabled" in switch
    assert "recorded neither attention nor a map of fire" in page.html
    assert page.html.count("not analysed") == 1  # the row of fire


def test_the_timeline_has_a_row_for_everybody_and_can_be_moved_along_by_keys(
    browser_of: Open, incident: str
) -> None:
    page = browser_of("viewer").page(f"/incidents/{incident}")
    assert [own["data-person"] for own in page.all("div") if "data-person" in own] == ["1", "2", "3"]
    slider = next(own for own in page.all("div") if own.get("role") == "slider")
    assert (slider["tabindex"], slider["aria-valuemax"]) == ("0", "10.0")
    assert sum(own.get("class") == "held" for own in page.all("rect")) == 1
    assert not any("style" in own for _, own in page.elements)
