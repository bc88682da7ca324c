"""The whole pipeline on clips of known class: which clips, what counts, and that nothing is done twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from activity.errors import DatasetError
from activity.evaluation.clips import ClipAnswer, LabelledClip, class_of_folder, find_clips, measure_clips

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.mp4"
CLASSES = ("Fighting", "Normal")
MP4 = frozenset({".mp4"})


def answer(
    label: str, fighting: float | None, *, alarm: bool = False, failure: str | None = None, source: str = "s"
) -> ClipAnswer:
    clip = LabelledClip(Path(f"{label}.mp4"), label, label, source)
    probabilities = {} if fighting is None else {"Fighting": fighting, "Normal": 1 - fighting}
    return ClipAnswer(clip, probabilities, frozenset({"Fighting"} if alarm else ()), failure)


def test_accuracy_confusion_and_alarm_rates_are_counted_by_class() -> None:
    # fights: 2 of 3 named, 1 of 3 alarms; quiet: 1 of 2 named, 1 of 2 alarms
    answers = [
        answer("Fighting", 0.9, alarm=True),
        answer("Fighting", 0.6),
        answer("Fighting", 0.2),
        answer("Normal", 0.1),
        answer("Normal", 0.95, alarm=True),
    ]
    figures = measure_clips(answers, CLASSES)
    assert figures["accuracy"] == pytest.approx(3 / 5)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert figures["confusion"] == [[2, 1], [1, 1]]
    assert figures["n"] == 5
    assert figures["alarms"]["Fighting"]["rate"] == pytest.approx(1 / 3)
    assert figures["alarms"]["Normal"]["alarmed"] == 1
    low, high = figures["alarms"]["Normal"]["interval"]
    assert low < 0.5 < high
    json.dumps(figures, allow_nan=False)


def test_a_clip_without_a_judgement_is_no_alarm_and_counts_as_normal() -> None:
    figures = measure_clips([answer("Fighting", None), answer("Normal", None)], CLASSES)
    assert figures["confusion"] == [[0, 1], [0, 1]]
    assert figures["unjudged"] == 2


def test_without_a_background_class_a_clip_without_a_judgement_is_wrong() -> None:
    clip = LabelledClip(Path("a.mp4"), "Arson", "Arson", "a")
    figures = measure_clips([ClipAnswer(clip, {}, frozenset())], ("Arson", "Robbery"))
    assert figures["accuracy"] == 0


def test_a_clip_that_failed_is_named_with_its_reason() -> None:
    figures = measure_clips([answer("Normal", None, failure="no video"), answer("Fighting", 0.8)], CLASSES)
    assert figures["failed"] == {"Normal.mp4": "no video"}
    assert (figures["n"], figures["unjudged"]) == (2, 0)


@pytest.mark.parametrize(
    ("folder", "named", "label"),
    [
        ("Fighting", {}, "Fighting"),
        ("NORMAL", {}, "Normal"),
        ("fight", {}, "Fighting"),
        ("no_fight", {}, "Normal"),
        ("non-fights", {}, "Normal"),
        ("brawls", {"brawls": "Fighting"}, "Fighting"),
    ],
)
def test_a_folder_stands_for_a_class(folder: str, named: dict[str, str], label: str) -> None:
    assert class_of_folder(folder, CLASSES, named) == label


@pytest.mark.parametrize(
    ("folder", "named", "message"),
    [
        ("brawls", {}, "--label brawls=CLASS"),
        ("brawls", {"brawls": "Arson"}, "Arson is none of the classes"),
    ],
)
def test_a_folder_of_no_known_class_is_refused(folder: str, named: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        class_of_folder(folder, CLASSES, named)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "clips"
    for name in ("fight/a.mp4", "fight/b.mp4", "no_fight/c.mp4", "no_fight/notes.txt", "extra/readme.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_clips_are_found_by_folder_and_other_files_passed_over(folders: Path) -> None:
    clips = find_clips(folders, CLASSES, suffixes=MP4)
    assert [(clip.path.name, clip.label) for clip in clips] == [
        ("a.mp4", "Fighting"),
        ("b.mp4", "Fighting"),
        ("c.mp4", "Normal"),
    ]


def test_held_out_clips_are_those_of_held_out_sources(folders: Path, tmp_path: Path) -> None:
    table = tmp_path / "sources.csv"  # is_held_out: s38 is, s01 is not
    table.write_text("clip,source\nfight/a.mp4,s38\nfight/b.mp4,s01\nno_fight/c.mp4,s38\n", encoding="utf-8")
    clips = find_clips(folders, CLASSES, suffixes=MP4, sources=table, held_out=True)
    assert [clip.path.name for clip in clips] == ["a.mp4", "c.mp4"]
    assert {clip.source for clip in clips} == {"s38"}


def test_what_cannot_be_told_is_an_error(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="name a CSV"):
        find_clips(folders, CLASSES, suffixes=MP4, held_out=True)
    table = tmp_path / "sources.csv"
    table.write_text("clip,source\nfight/a.mp4,s01\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"b\.mp4: .* does not name its source"):
        find_clips(folders, CLASSES, suffixes=MP4, sources=table)
    with pytest.raises(DatasetError, match="expected clips"):
        find_clips(folders / "extra", CLASSES, suffixes=MP4)
    with pytest.raises(DatasetError, match="expected a folder"):
        find_clips(folders / "gone", CLASSES, suffixes=MP4)


def test_the_command_analyses_what_is_new_and_reuses_the_rest(tmp_path: Path) -> None:
    for name in ("fight", "no_fight"):
        (tmp_path / "clips" / name).mkdir(parents=True)
    (tmp_path / "clips/fight/demo.mp4").symlink_to(DEMO)
    (tmp_path / "clips/no_fight/bad.mp4").write_bytes(b"no video")
    config = tmp_path / "config.yaml"
    config.write_text("video: {sample_rate_hz: 1}\nthreads: 1\n", encoding="utf-8")

    def run() -> dict[str, object]:
        command = [sys.executable, "-m", "activity", "evaluate", "clips", str(tmp_path / "clips")]
        result = subprocess.run(  # noqa: S603
            [*command, "--config", str(config), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ACTIVITY_HOME": str(tmp_path / "home")},
        )
        assert result.returncode == 1, result.stderr  # one clip is no video
        assert "bad.mp4" in result.stderr
        figures: dict[str, object] = json.loads(result.stdout)
        return figures

    first = run()
    assert {"accuracy", "balanced_accuracy", "interval", "n", "confusion", "alarms"} <= set(first)
    assert first["n"] == 2
    (report,) = (tmp_path / "home").rglob("report.json")
    written = report.stat().st_mtime_ns
    assert run() == first
    assert report.stat().st_mtime_ns == written
