"""Error rates by group: numbers of the literature, small samples, and the demo's truth as a data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import DatasetError
from activity.evaluation.bias import Case, compare_groups, difference_interval
from activity.evaluation.bias_cases import cases_of_pictures, cases_of_reports
from activity.report import ClipAnalysis
from activity.structures import Poses

DEMO = Path(__file__).parents[2] / "docs" / "demo"


def cases(kind: str, group: str, errors: int, n: int) -> list[Case]:
    return [Case(kind, group, i < errors) for i in range(n)]


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe 1998, table II: 56/70 - 48/80, and 9/10 - 3/10, method 10
    assert difference_interval((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert difference_interval((9, 10), (3, 10)) == pytest.approx((0.1705, 0.8090), abs=1e-4)


def test_a_group_with_clearly_more_errors_is_named() -> None:
    found = compare_groups(cases("pose", "dark", 60, 100) + cases("pose", "light", 20, 100))
    assert found["groups"]["dark"]["pose"]["verdict"] == "more errors"
    assert found["groups"]["light"]["pose"]["verdict"] == "fewer errors"
    assert found["groups"]["dark"]["pose"]["rate"] == pytest.approx(0.6)
    assert found["groups"]["dark"]["pose"]["difference"] == pytest.approx(0.4)
    assert "dark: more errors (pose)" in found["verdict"]


def test_a_small_sample_gets_no_verdict_however_different_it_looks() -> None:
    found = compare_groups(cases("pose", "dark", 10, 10) + cases("pose", "light", 0, 500))
    assert found["groups"]["dark"]["pose"]["verdict"] == "too few cases"
    assert found["groups"]["light"]["pose"]["verdict"] == "too few cases", "its others are those ten"
    assert found["groups"]["dark"]["pose"]["difference_interval"] is None
    assert found["verdict"].startswith("No verdict")


def test_equal_rates_are_no_difference_seen_and_one_group_has_nothing_to_compare_with() -> None:
    even = compare_groups(cases("pose", "a", 20, 100) + cases("pose", "b", 20, 100))
    assert even["groups"]["a"]["pose"]["verdict"] == "no difference seen"
    low, high = even["groups"]["a"]["pose"]["difference_interval"]
    assert low < 0 < high
    alone = compare_groups(cases("pose", "a", 20, 100))
    assert alone["groups"]["a"]["pose"]["verdict"] == "nothing to compare with"
    assert compare_groups([])["groups"] == {}


def test_more_groups_need_stronger_evidence() -> None:
    pair = compare_groups(cases("pose", "a", 35, 100) + cases("pose", "b", 60, 300))
    many = compare_groups(
        cases("pose", "a", 35, 100) + [c for i in range(20) for c in cases("pose", f"b{i}", 3, 15)]
    )
    assert pair["groups"]["a"]["pose"]["verdict"] == "more errors"
    widths = [np.ptp(found["groups"]["a"]["pose"]["difference_interval"]) for found in (pair, many)]
    assert widths[1] > widths[0]


@pytest.fixture
def truth(tmp_path: Path) -> tuple[Path, Path]:
    """Two frames of the demo, one person a group of their own."""
    content = json.loads((DEMO / "truth.json").read_text())
    kept = {image["id"] for image in content["images"] if image["frame"] in (75, 80)}
    content["images"] = [image for image in content["images"] if image["id"] in kept]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    (tmp_path / "truth.json").write_text(json.dumps(content))
    lines = [
        f"{a['id']},{'gunman' if a['track_id'] == 3 else 'others'}"
        for a in content["annotations"]
        if "track_id" in a
    ]
    (tmp_path / "groups.csv").write_text("annotation,group\n" + "\n".join(lines) + "\n")
    return tmp_path / "truth.json", tmp_path / "groups.csv"


def test_a_perfect_estimator_errs_for_nobody_and_one_that_finds_nobody_for_all(
    truth: tuple[Path, Path],
) -> None:
    annotations, groups = truth
    content = json.loads(annotations.read_text())
    frames = iter(
        [
            [a for a in content["annotations"] if a["image_id"] == image["id"] and "keypoints" in a]
            for image in content["images"]
        ]
    )

    def perfect(_image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]) -> Poses:
        joints = np.array([a["keypoints"] for a in next(frames)], np.float32).reshape(-1, 17, 3)
        joints[..., 2] = joints[..., 2] > 0
        return Poses(joints, boxes, np.ones(len(boxes), np.float32))

    found = cases_of_pictures(annotations, DEMO, groups, perfect, score_threshold=0.1)
    assert {(case.kind, case.group) for case in found} == {
        ("detection", "gunman"), ("detection", "others"), ("pose", "gunman"), ("pose", "others"), ("holder", "gunman"),
    }  # fmt: skip
    assert not any(case.error for case in found)
    blind = cases_of_pictures(annotations, DEMO, groups, lambda _i, _b: Poses.empty(), score_threshold=0.1)
    assert all(case.error for case in blind)
    assert len(blind) == len(found)


def test_reports_give_false_and_missed_alerts(analysis_file: Path) -> None:
    table = analysis_file.parent / "truth.csv"
    name = analysis_file.name
    table.write_text(f"report,group,alert\n{name},day,Fighting\n{name},night,\n{name},night,Fire\n")
    found = cases_of_reports(table)
    assert found == [
        Case("missed_alert", "day", False), Case("false_alert", "night", True), Case("missed_alert", "night", True),
    ]  # fmt: skip


@pytest.fixture
def analysis_file(tmp_path: Path) -> Path:
    from activity.report import write_json  # noqa: PLC0415
    from activity.structures import ClipSummary, Evidence, SceneAlert, VideoInfo  # noqa: PLC0415

    alert = SceneAlert(
        "fighting", "Fighting", "police", "severe", 0, 1, 0.9, (), (Evidence("activity", "seen", 0.9),)
    )
    write_json(
        ClipAnalysis(
            video=VideoInfo(Path("clip.mp4"), 320, 240, 30.0, 30, 1.0, "h264"), sha256="ab" * 32, frames_decoded=30,
            frames_analysed=15, duration_s=1.0, damage=None, tracks=[], activities=[],
            summary=ClipSummary(None, None, {}, "rule", "nobody"), detections=[], holders=[], fire=[], alerts=[alert],
            models=[], timing_s={},
        ),
        tmp_path / "report.json",
    )  # fmt: skip
    return tmp_path / "report.json"


@pytest.mark.parametrize("text", ["", "report,alert\na,b\n"], ids=["empty", "no group"])
def test_a_table_without_its_columns_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(DatasetError, match="report, group, alert"):
        cases_of_reports(tmp_path / "table.csv")


def test_groups_that_name_nobody_are_refused(truth: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("annotation,group\n999999,a\n")
    with pytest.raises(DatasetError, match="none is there"):
        cases_of_pictures(
            truth[0], DEMO, tmp_path / "none.csv", lambda _i, _b: Poses.empty(), score_threshold=0.1
        )


def test_the_command_prints_groups_and_a_verdict(analysis_file: Path) -> None:
    table = analysis_file.parent / "truth.csv"
    table.write_text("report,group,alert\n" + f"{analysis_file.name},day,\n" * 3)
    result = CliRunner().invoke(app, ["evaluate", "bias", "--reports", str(table), "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["groups"]["day"]["false_alert"]["rate"] == 1
    assert {"interval", "n", "verdict"} <= set(figures["groups"]["day"]["false_alert"])
