"""A job of a service that covers heads, from the upload to what each role is given: the demo's true heads are covered."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from activity.service.api import create_app
from activity.service.jobs.worker import Worker
from activity.service.pages import ROUTERS
from activity.video import VideoReader, VideoWriter
from tests.service.api.conftest import DEMO, Api
from tests.service.pages.conftest import Browser, Page

Image = npt.NDArray[np.uint8]
ROOT = Path(__file__).resolve().parents[3]
FRAMES = 82  # of the demo's 150: a pistol and a fire are in them
SERVED = {"overlay.json", "overlay.jsonl", "report.json", "report.html", "annotated.mp4"}
_HEAD_PX = 9
"""Half the side of a square that lies inside the smallest head of the demo."""
_DRAWN = 40
"""Change of a pixel, of 255, that no encoder makes: a skeleton, a box or a word lies there."""
_LEAST_SEEN = 0.15
"""Share of a head between the lines of the skeletons from which on its face can be compared."""


@dataclass
class Made:
    """A clip that was uploaded and analysed, and the service that did it."""

    api: Api
    camera: str
    clip: str
    job: str
    incidents: list[str]


@dataclass(frozen=True)
class Truth:
    """By frame of the clip: the pixels, the middles of the heads that can be seen, and boxes of everybody."""

    frames: list[Image]
    heads: list[list[tuple[int, int]]]
    people: list[npt.NDArray[np.float64]]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "lobby.mp4"
    with (
        VideoReader(DEMO) as reader,
        VideoWriter(path, width=640, height=360, frame_rate_hz=15, crf=8) as writer,
    ):
        for frame in islice(reader, FRAMES):
            writer.write(frame.image, frame.time_s)
    return path


@pytest.fixture
def truth(clip: Path) -> Truth:
    annotations = json.loads((DEMO.parent / "truth.json").read_text())["annotations"]
    heads: list[list[tuple[int, int]]] = [[] for _ in range(FRAMES)]
    people: list[list[list[float]]] = [[] for _ in range(FRAMES)]
    for person in annotations:
        if person["category_id"] != 1 or person["image_id"] > FRAMES:
            continue
        x, y, width, height = person["bbox"]
        people[person["image_id"] - 1].append([x, y, x + width, y + height])
        face = np.array(person["keypoints"], float).reshape(17, 3)[:5]
        seen = face[face[:, 2] == 2]
        if len(seen) >= 2:
            ears = face[3:][face[3:, 2] == 2]  # from the side, the middle of the face lies at the head's edge
            middle = (ears if len(ears) else seen)[:, :2].mean(axis=0).round().astype(int).tolist()
            if _HEAD_PX <= middle[0] < 640 - _HEAD_PX and _HEAD_PX <= middle[1] < 360 - _HEAD_PX:
                heads[person["image_id"] - 1].append((middle[0], middle[1]))
    with VideoReader(clip) as reader:
        frames = [frame.image for frame in reader]
    return Truth(frames, heads, [np.array(boxes, float).reshape(-1, 4) for boxes in people])


def analysed(open_api: Callable[..., Api], clip: Path, *, redact: bool) -> Made:
    """The clip of a camera, uploaded by an analyst to a service whose operator has heads covered or not."""
    api = open_api(
        analysis={"threads": 1, "video": {"sample_rate_hz": 5}, "output": {"redact": redact}},
        queue={"workers": 1},
    )
    camera = api.admin.post("/v1/cameras", json={"name": "Lobby", "thresholds": {"weapon": 0.4}}).json()["id"]
    sent = api.analyst.post(f"/v1/clips?name=lobby.mp4&camera_id={camera}", content=clip.read_bytes())
    assert sent.status_code == 202, sent.text
    job, uploaded = sent.json()["job"]["id"], sent.json()["clip"]["id"]
    worker = Worker(
        database=api.service.database,
        storage=api.service.storage,
        settings=api.service.settings,
        on_incidents=lambda session, incidents: None,
        poll_s=0.1,
    )
    deadline = time.monotonic() + 400
    with worker:
        while (state := api.viewer.get(f"/v1/jobs/{job}").json())["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
    assert state["state"] == "succeeded", state
    listed = api.viewer.get(f"/v1/incidents?clip_id={uploaded}").json()["items"]
    return Made(api, camera, uploaded, job, [incident["id"] for incident in listed])


def frames_of(content: bytes, path: Path) -> list[Image]:
    path.write_bytes(content)
    with VideoReader(path) as reader:
        return [frame.image for frame in reader]


def pictures_in(page: str) -> Iterator[Image]:
    for data in re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page):
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
        assert picture is not None
        yield np.asarray(picture, np.uint8)


def grey(image: Image, x: int, y: int) -> npt.NDArray[np.float64]:
    """[18, 18]: the square inside a head."""
    part = image[y - _HEAD_PX : y + _HEAD_PX, x - _HEAD_PX : x + _HEAD_PX]
    return np.asarray(part.astype(np.float64).mean(axis=2))


def drawn_on(original: Image, annotated: Image, x: int, y: int) -> npt.NDArray[np.bool_]:
    """[18, 18]: where skeletons, boxes or words lie on a head, and a pixel around them."""
    rows, columns = slice(y - _HEAD_PX, y + _HEAD_PX), slice(x - _HEAD_PX, x + _HEAD_PX)
    change = np.abs(original[rows, columns].astype(np.int16) - annotated[rows, columns]).max(axis=2)
    return np.asarray(cv2.dilate((change > _DRAWN).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


@dataclass(frozen=True)
class Likenesses:
    """How much of the fine detail of heads is left: in whole squares, and between the lines that are drawn on them."""

    covered: npt.NDArray[np.float64]
    covered_between: npt.NDArray[np.float64]
    plain_between: npt.NDArray[np.float64]

    def assert_only_plain_ones_are_known(self) -> None:
        assert np.percentile(self.covered, 95) < 0.3
        assert np.median(self.covered_between) < 0.15
        assert np.percentile(self.plain_between, 5) > 0.3, "the measure knows a face that is not covered"


def likeness(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_] | bool = True
) -> float:
    """Correlation of the fine detail of two squares: 1 where all of a face is left, about 0 where none is."""
    one, other = (
        np.where(seen, square - cv2.GaussianBlur(square, (0, 0), 3), 0) for square in (first, second)
    )
    return float((one * other).sum() / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-6))


def elsewhere(people: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """[360, 640]: what is farther from every head than three quarters of the person's size."""
    rows, columns = np.mgrid[:360, :640]
    far = np.ones((360, 640), bool)
    for x0, y0, x1, y1 in people.tolist():
        size = max(x1 - x0, y1 - y0)
        far &= np.hypot(columns - (x0 + x1) / 2, rows - (y0 + 0.1 * (y1 - y0))) > 0.75 * size
    return far


def nearest(picture: Image, frames: list[Image]) -> int:
    """Which frame a picture shows."""
    return int(np.argmin([np.abs(frame.astype(np.int16) - picture).mean() for frame in frames]))


def covered_heads_and_no_more(
    covered: list[Image], plain: list[Image], numbers: list[int], truth: Truth
) -> Likenesses:
    """Hold pictures of two jobs against each other; likeness of each head to the clip's, covered and plain.

    Both have the same skeletons and words drawn into them, so what differs is what was covered.
    """
    whole, left, right = [], [], []
    for hidden, shown, number in zip(covered, plain, numbers, strict=True):
        for x, y in truth.heads[number]:
            original, one, other = (grey(image, x, y) for image in (truth.frames[number], hidden, shown))
            seen = ~drawn_on(truth.frames[number], shown, x, y)
            whole.append(likeness(original, one))
            assert np.abs(one - original).mean() > 8
            if seen.mean() < _LEAST_SEEN:
                continue
            assert np.abs(one - other)[seen].mean() > 8, (
                f"a head is not covered: frame {number}, x {x}, y {y}"
            )
            left.append(likeness(original, one, seen))
            right.append(likeness(original, other, seen))
        one, other = (cv2.blur(image, (9, 9)).astype(np.int16) for image in (hidden, shown))
        changed = (
            np.abs(one - other).max(axis=2) > 16
        )  # the blur takes away what two encoders make of one floor
        assert changed[elsewhere(truth.people[number])].mean() < 0.001, f"frame {number}: not only heads"
    return Likenesses(np.array(whole), np.array(left), np.array(right))


@pytest.mark.slow
def test_a_service_that_covers_heads_shows_none_to_those_who_may_not_see_the_original(
    open_api: Callable[..., Api], clip: Path, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the processes in which the steps run
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    covered, plain = (analysed(open_api, clip, redact=redact) for redact in (True, False))
    films, pages = [], []
    for made in (covered, plain):
        files = {
            file["name"]: file["href"]
            for file in made.api.viewer.get(f"/v1/jobs/{made.job}/files").json()["items"]
        }
        assert set(files) == SERVED, "a file that nobody has thought about here"
        film, page = (made.api.viewer.get(files[name]).content for name in ("annotated.mp4", "report.html"))
        embedded = re.findall(rb"data:video/mp4;base64,([A-Za-z0-9+/=]+)", page)
        assert [base64.b64decode(data) for data in embedded] == [film]
        films.append(frames_of(film, tmp_path / "film.mp4"))
        pages.append(list(pictures_in(page.decode())))
    heads = covered_heads_and_no_more(films[0], films[1], list(range(FRAMES)), truth)
    assert len(heads.covered) > 300
    heads.assert_only_plain_ones_are_known()
    assert len(pages[0]) == len(pages[1]) >= 2, "of the pistol and of the fire"
    numbers = [nearest(picture, films[1]) for picture in pages[1]]
    heads = covered_heads_and_no_more(pages[0], pages[1], numbers, truth)
    assert len(heads.covered) >= 8
    heads.assert_only_plain_ones_are_known()
    originals_are_for_analysts(covered, clip)
    assert plain.api.viewer.get(f"/v1/clips/{plain.clip}/content").content == clip.read_bytes()


def originals_are_for_analysts(made: Made, clip: Path) -> None:
    """What docs/service.md promises: viewers get the annotated film everywhere, analysts and admins the original too."""
    api, uploaded = made.api, clip.read_bytes()
    assert len(made.incidents) >= 2
    content = f"/v1/clips/{made.clip}/content"
    places = [f"/v1/incidents/{incident}" for incident in made.incidents]
    for client in (api.analyst, api.admin):
        assert client.get(content).content == uploaded
        assert all(client.get(f"{place}/evidence/clip.mp4").content == uploaded for place in places)
    for request in ({}, {"Range": "bytes=0-99"}):
        refused = api.viewer.get(content, headers=request)
        assert (refused.status_code, len(refused.content) < 1000) == (403, True)
        assert api.anybody.get(content, headers=request).status_code == 401
    for place in places:
        listed = [file["name"] for file in api.viewer.get(f"{place}/evidence").json()["items"]]
        assert "annotated.mp4" in listed
        assert not any(name.startswith("clip") for name in listed)
        assert api.viewer.get(f"{place}/evidence/clip.mp4").status_code == 404
        assert api.viewer.get(f"{place}/bundle").status_code == 403
        assert api.analyst.get(f"{place}/bundle").status_code == 200
    app = create_app(api.service, more=ROUTERS)
    for role in ("viewer", "analyst"):
        browser = Browser(app)
        browser.sign_in(api.keys[role])
        for incident in made.incidents:
            assert films_on(browser.page(f"/incidents/{incident}")) == {"annotated.mp4"}
        backdrop = browser.page(f"/cameras/{made.camera}").html
        assert f"/v1/jobs/{made.job}/files/annotated.mp4" in backdrop
        assert content not in backdrop


def films_on(page: Page) -> set[str]:
    """Names of the films that a page plays."""
    assert "made unrecognisable" in page.html
    return {str(video["src"]).partition("#")[0].rpartition("/")[2] for video in page.all("video")}
