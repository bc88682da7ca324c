import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from activity.errors import OutputError
from activity.report import ClipAnalysis, KeyFrame, write_html
from activity.structures import ActivityScore, ClipSummary, Evidence, SceneAlert, Track, VideoInfo

Build = Callable[..., ClipAnalysis]
VOID = {"meta", "link", "img", "br", "input", "hr"}
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Checks that every tag is closed in order, and collects what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]
        self.ids += [values["id"] or ""] if "id" in values else []
        assert not any(key.startswith("on") for key in values), f"an inline handler on <{tag}>"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page(analysis: ClipAnalysis, folder: Path, **arguments: object) -> tuple[Page, str]:
    write_html(analysis, folder / "report.html", **arguments)  # type: ignore[arg-type]
    text = (folder / "report.html").read_text("utf-8")
    parsed = Page(text)
    assert parsed.open == []
    assert len(set(parsed.ids)) == len(parsed.ids)
    return parsed, text


def test_the_page_shows_what_each_judge_of_the_clip_says(analysis: ClipAnalysis, tmp_path: Path) -> None:
    _, text = page(analysis, tmp_path)
    assert "By how the people moved: Fighting 95%" in text
    assert "By how the picture moved: Fighting 91%" in text


def test_the_page_shows_the_verdict_the_alert_and_its_reasons(analysis: ClipAnalysis, tmp_path: Path) -> None:
    parsed, _ = page(analysis, tmp_path)
    assert "Fighting 93%" in parsed.text
    assert "Why it was raised" in parsed.text
    assert "Person 2: Fighting with 86 % from 00:04.1 to 00:07.6." in parsed.text
    assert "fight_between_two" in parsed.text
    assert "ab" * 32 in parsed.text


def test_the_page_needs_nothing_from_elsewhere(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    (tmp_path / "annotated.mp4").write_bytes(b"video")
    frames = [KeyFrame(5.0, b"\xff\xd8\xff picture", "A caption")]
    parsed, text = page(rich_analysis, tmp_path, key_frames=frames, video=tmp_path / "annotated.mp4")
    assert all(address.startswith(("data:", "#")) for address in parsed.addresses)
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert "link" not in parsed.tags


def test_the_policy_admits_only_the_script_of_the_page(analysis: ClipAnalysis, tmp_path: Path) -> None:
    _, text = page(analysis, tmp_path)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_hostile_names_are_text_and_nothing_else(build: Build, tmp_path: Path) -> None:
    classes = (EVIL + "\"'>", "Normal")
    base = build()
    activities = [
        ActivityScore(s.track_id, s.start_s, s.end_s, classes, s.probabilities, s.attention)
        for s in base.activities
    ]
    alert = SceneAlert(EVIL, EVIL, "police", "minor", 1, 2, 0.5, (1,), (Evidence(EVIL, EVIL, 0.5),))
    analysis = build(
        video=VideoInfo(Path("clips") / EVIL.replace("/", "⁄"), 320, 240, 30.0, 300, 10.0, EVIL),
        activities=activities,
        alerts=[alert],
        summary=ClipSummary(classes[0], 0.9, dict.fromkeys(classes, 0.5), EVIL),
        damage=EVIL,
        warnings=[EVIL],
        notice=EVIL,
        settings={EVIL: EVIL},
        not_analysed={"fire": EVIL},
        timing_s={EVIL: 1.0},
    )
    frames = [KeyFrame(1.5, b"x", EVIL + '" onerror="alert(1)')]
    parsed, text = page(analysis, tmp_path, key_frames=frames)
    assert parsed.tags.count("script") == 1
    assert text.count("<script>alert") == 0
    assert "<script>alert(1)</script>" in parsed.text  # shown as written


def test_a_file_name_cannot_close_a_tag(build: Build, tmp_path: Path) -> None:
    video = VideoInfo(Path("<script>alert(1)<") / "script>.mp4", 320, 240, 30.0, 300, 10.0, "h264")
    parsed, text = page(build(video=video), tmp_path)
    assert "<script>alert(1)</script>" not in text
    assert "<script>alert(1)</script>.mp4" in parsed.text


def test_a_small_video_is_part_of_the_page(analysis: ClipAnalysis, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000  # more than one block of base64
    (tmp_path / "annotated.mp4").write_bytes(content)
    _, text = page(analysis, tmp_path, video=tmp_path / "annotated.mp4")
    (encoded,) = re.findall(r'src="data:video/mp4;base64,([^"]*)"', text)
    assert base64.b64decode(encoded, validate=True) == content


def test_a_large_video_is_played_from_beside_the_page(analysis: ClipAnalysis, tmp_path: Path) -> None:
    (tmp_path / "annotated.mp4").write_bytes(b"0123456789")
    parsed, _ = page(analysis, tmp_path, video=tmp_path / "annotated.mp4", embed_limit_bytes=9)
    assert "annotated.mp4" in parsed.addresses
    assert "keep the two files together" in parsed.text


def test_a_missing_video_is_an_error_and_writes_no_page(analysis: ClipAnalysis, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be read"):
        write_html(analysis, tmp_path / "report.html", video=tmp_path / "none.mp4")
    assert list(tmp_path.iterdir()) == []


def test_without_a_video_nothing_pretends_to_play_one(analysis: ClipAnalysis, tmp_path: Path) -> None:
    parsed, _ = page(analysis, tmp_path)
    assert "video" not in parsed.tags
    assert "button" not in parsed.tags
    assert "No annotated video was made" in parsed.text


def test_not_analysed_is_never_nothing_found(analysis: ClipAnalysis, build: Build, tmp_path: Path) -> None:
    parsed, _ = page(analysis, tmp_path)
    assert "Not analysed. No fire classifier is part of this version." in parsed.text
    assert "None seen" not in parsed.text
    parsed, _ = page(build(detections=[], holders=[], fire=[], not_analysed={}), tmp_path)
    assert "Not analysed" not in parsed.text
    assert "None seen in 100 analysed frames." in parsed.text


def test_the_holders_posture_is_shown_as_weak_evidence(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    parsed, _ = page(rich_analysis, tmp_path)
    assert "posture 0.71 armed (weak evidence)" in parsed.text


def test_a_clip_without_people_says_so_in_plain_words(empty_analysis: ClipAnalysis, tmp_path: Path) -> None:
    parsed, _ = page(empty_analysis, tmp_path)
    assert "Not judged" in parsed.text
    assert "No person was found in the 100 analysed frames." in parsed.text
    assert "This does not mean that nothing happened." in parsed.text


def test_people_who_were_seen_too_briefly_are_listed(build: Build, tmp_path: Path) -> None:
    summary = ClipSummary(None, None, {}, "rule", "Nobody was in view long enough.")
    parsed, _ = page(build(activities=[], alerts=[], summary=summary, detections=[]), tmp_path)
    assert "Person 3" in parsed.text
    assert "not judged" in parsed.text
    assert "this is no all-clear" in parsed.text


def test_no_alert_is_explained(build: Build, tmp_path: Path) -> None:
    parsed, _ = page(build(alerts=[]), tmp_path)
    assert "No alert rule applied to the 17 segments of 3 people that were judged." in parsed.text
    assert "Not looked at: weapons, who holds a weapon, fire." in parsed.text


def test_alerts_that_were_not_analysed_are_not_called_absent(build: Build, tmp_path: Path) -> None:
    parsed, _ = page(build(alerts=[], not_analysed={"alerts": "No rules are set."}), tmp_path)
    assert "Alerts were not analysed. No rules are set." in parsed.text
    assert "No alert raised" not in parsed.text


def test_damage_and_notice_stand_at_the_top(build: Build, tmp_path: Path) -> None:
    parsed, _ = page(build(damage="Cut off after frame 300.", notice="This clip is synthetic."), tmp_path)
    words = parsed.text
    assert words.index("synthetic") < words.index("Cut off") < words.index("What was looked at")
    assert "The file is damaged. Cut off after frame 300." in parsed.text


def test_key_frames_stand_with_the_alert_during_which_they_were_taken(
    analysis: ClipAnalysis, tmp_path: Path
) -> None:
    frames = [KeyFrame(5.0, b"during", "During"), KeyFrame(9.5, b"after", "After")]
    _, text = page(analysis, tmp_path, key_frames=frames)
    during, after = (text.index(base64.b64encode(jpeg).decode()) for jpeg in (b"during", b"after"))
    assert during < text.index('id="video"') < after


def test_an_alert_shows_its_own_picture_and_not_those_of_others_at_the_same_time(
    analysis: ClipAnalysis, build: Build, tmp_path: Path
) -> None:
    (fight,) = analysis.alerts
    fire = dataclasses.replace(fight, rule="fire", label="Fire", score=0.5, track_ids=())
    frames = [KeyFrame(4.0, b"the fire", "Fire", 1), KeyFrame(5.0, b"the fight", "Fight", 0)]
    _, text = page(build(alerts=[fight, fire]), tmp_path, key_frames=frames)
    fight_at, fire_at = (text.index(base64.b64encode(jpeg).decode()) for jpeg in (b"the fight", b"the fire"))
    assert text.index("fight_between_two") < fight_at < text.index("<code>fire</code>") < fire_at
    assert text.count("data:image/jpeg") == 2


def test_attention_is_left_out_where_it_was_not_recorded(
    analysis: ClipAnalysis, build: Build, tmp_path: Path
) -> None:
    plain = [
        ActivityScore(s.track_id, s.start_s, s.end_s, s.classes, s.probabilities) for s in analysis.activities
    ]
    parsed, _ = page(build(activities=plain), tmp_path)
    assert "Attention was not recorded in this run." in parsed.text
    assert "Attention on the body" not in parsed.text


def test_a_clip_of_one_frame_has_a_page(build: Build, tmp_path: Path) -> None:
    ones = np.ones((1, 17, 3), np.float32)
    track = Track(1, np.array([0]), np.array([0.0]), ones, np.array([[0, 0, 5, 5]]), ones[0, :1, 0])
    summary = ClipSummary(None, None, {}, "rule", "One frame is no segment.")
    parsed, text = page(
        build(
            tracks=[track], activities=[], alerts=[], summary=summary,
            frames_decoded=1, frames_analysed=1, duration_s=0.0,
        ),
        tmp_path,
    )  # fmt: skip
    assert "One frame is no segment." in parsed.text
    assert "nan" not in text.lower().split("<script>")[0].replace("analysis", "")


def test_a_crowd_is_cut_and_the_page_says_so(analysis: ClipAnalysis, build: Build, tmp_path: Path) -> None:
    first = analysis.tracks[0]
    crowd = [
        Track(i, first.frame_indices, first.times_s, first.keypoints, first.boxes, first.scores)
        for i in range(1, 71)
    ]
    parsed, _ = page(build(tracks=crowd), tmp_path)
    assert "10 more people are in report.json." in parsed.text
    assert "46 less notable people have no card" in parsed.text
    assert "67 of 70 people could not be judged" in parsed.text


def test_an_unwritable_folder_is_named(analysis: ClipAnalysis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose a folder that you may write to"):
        write_html(analysis, tmp_path / "file" / "report.html")


def test_a_name_that_is_no_unicode_can_be_shown(build: Build, tmp_path: Path) -> None:
    video = VideoInfo(Path("caf\udce9.mp4"), 320, 240, 30.0, 300, 10.0, "h264")
    parsed, _ = page(build(video=video), tmp_path)
    assert "caf\\udce9.mp4" in parsed.text
