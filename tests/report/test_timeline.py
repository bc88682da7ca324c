"""The timeline that a page makes from the layers, and that it is the one of the HTML report."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from activity.report import ClipAnalysis, Layers, read_layers, write_html, write_layers
from activity.report.charts import TimeAxis
from activity.report.people import people_views
from activity.report.timeline import timeline_of

Build = Callable[..., ClipAnalysis]


def layers_of(analysis: ClipAnalysis, folder: Path) -> Layers:
    write_layers(analysis, folder)
    return read_layers(folder / "overlay.json")


def test_its_rows_are_those_of_the_report(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    made = timeline_of(
        layers_of(rich_analysis, tmp_path),
        rule="fight_between_two",
        severity="severe",
        start_s=3.6,
        end_s=7.7,
        track_ids=(1, 2),
    )
    people = people_views(rich_analysis, TimeAxis(0.0, 10.0))
    assert [row.track_id for row in made.rows] == [person.track_id for person in people] == [1, 2, 3]
    for row, person in zip(made.rows, people, strict=True):
        assert (row.color, row.strongest) == (person.color, person.strongest)
        assert [(s.label, s.opacity) for s in row.segments] == [(s.label, s.opacity) for s in person.segments]
        for mark, same in zip(row.segments, person.segments, strict=True):
            assert (mark.left, mark.width) == pytest.approx((same.left, same.width), abs=0.02)
        assert [(s.left, s.width) for s in row.presence] == [(s.left, s.width) for s in person.presence]
        assert [(s.left, s.width) for s in row.held] == [(s.left, s.width) for s in person.held]
    assert [(s.left, s.width) for s in made.rows[0].held] == [(40.0, 31.0)]
    assert (made.incident.band.left, made.incident.band.width, made.others) == (36.0, 41.0, [])
    other = timeline_of(
        layers_of(rich_analysis, tmp_path),
        rule="fire",
        severity="minor",
        start_s=1.0,
        end_s=2.0,
        track_ids=(),
    )
    assert [(mark.band.left, mark.band.width) for mark in other.others] == [(36.0, 41.0)]


def test_a_long_clip_shows_the_surroundings_of_the_incident(build: Build, tmp_path: Path) -> None:
    layers = layers_of(build(duration_s=600.0), tmp_path)
    made = timeline_of(layers, rule="fire", severity="minor", start_s=35.0, end_s=40.0, track_ids=(3,))
    assert (made.axis.start_s, made.axis.end_s) == (5.0, 70.0)
    assert [row.track_id for row in made.rows] == [3, 1, 2]
    row = made.rows[1]
    assert (row.presence[0].start_s, row.presence[0].end_s) == (5.0, 9.9)
    assert all(segment.end_s >= 5.0 for segment in row.segments)
    assert (
        timeline_of(layers, rule="fire", severity="minor", start_s=400.0, end_s=401.0, track_ids=()).rows
        == []
    )


def test_a_weapon_in_hand_is_marked_in_the_report_too(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    write_html(rich_analysis, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    assert len(re.findall(r'<rect class="held"', html)) == 1
    assert "00:04.0–00:07.0: holds a weapon, score up to 81%" in html
