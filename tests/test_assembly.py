"""Every kind of detector file serves the pipeline: whole frames, close-ups at hands, and what the report says of both."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import onnx
import pytest

from activity.assembly import load_closeup, load_detector, load_networks, load_pyramid
from activity.config import Settings
from activity.detection import COCO_LABELS, DarknetDetector, YoloDetector, YoloxDetector
from activity.detection.pyramid import SeveralSizesDetector
from activity.errors import CheckpointError, ConfigurationError
from activity.observation import observe_clip
from activity.structures import Hands
from tests.detection.small_networks import CELLS_64, write_darknet, write_free_yolo, write_yolo, write_yolox

ROOT = Path(__file__).parents[1]
CELLS = 8 * 12 + 4 * 6 + 2 * 3  # of 64x96 at strides 8, 16 and 32
NOBODY = Hands(np.zeros((1, 2, 2), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 2), bool))


def settings(checkpoint: Path | None, **changes: object) -> Settings:
    section = {"checkpoint": checkpoint, "person_score": 0.5} | changes
    return Settings.model_validate({"detector": section, "threads": 1, "fire": {"enabled": False}})


def yolov5(folder: Path) -> Path:
    output = np.zeros((1, 3 * CELLS, 8), np.float32)
    output[0, 0] = [48, 32, 20, 40, 1, 0.9, 0, 0]
    output[0, 1] = [48, 32, 6, 6, 1, 0, 0.8, 0]
    return write_yolo(folder / "v5.onnx", output)


def yolov10(folder: Path) -> Path:
    output = np.zeros((1, 300, 6), np.float32)
    output[0, 0] = [38, 12, 58, 52, 0.9, 0]
    output[0, 1] = [45, 29, 51, 35, 0.8, 1]
    return write_yolo(folder / "v10.onnx", output)


def yolox(folder: Path) -> Path:
    cells = np.zeros((CELLS_64, 7), np.float32)
    cells[4 * 8 + 4] = [0, 0, np.log(2), np.log(5), 1, 0.9, 0]
    cells[4 * 8 + 5] = [-1, 0, 0, 0, 1, 0, 0.8]
    return write_yolox(folder / "x.onnx", cells)


def exported(folder: Path, name: str) -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(lzma.decompress((ROOT / f"tests/detection/networks/{name}.onnx.xz").read_bytes()))
    return path


@pytest.mark.parametrize("make", [yolov5, yolov10, yolox])
def test_person_and_weapon_are_found_in_the_frame_and_close_up(tmp_path: Path, make: object) -> None:
    """The network says the same of whatever it sees, so what a square shows can be worked out."""
    chosen = settings(make(tmp_path))  # type: ignore[operator]
    detector, model = load_detector(chosen, threads=1)
    rows, columns = detector.input_size(1, 1)
    image = np.zeros((rows * 10, columns * 10, 3), np.uint8)
    found = detector.detect(image)
    middle = np.array([columns, rows] * 2) * 5
    (person,), (weapon,) = found.of("person").boxes, found.of("weapon").boxes
    assert (person[:2] < middle[:2]).all()
    assert (person[2:] > middle[2:]).all()
    np.testing.assert_allclose((weapon[:2] + weapon[2:]) / 2, middle[:2], atol=0.1)

    closeup = load_closeup(chosen, detector, threads=1)
    assert closeup is not None
    box = np.array([[100, 100, 140, 180]], np.float32)  # 80 high: a square of 100 around (120, 140)
    (closely,) = closeup.look(image, box, NOBODY).boxes
    # A square of 100 fills the height of 64 rows: centred, or at the left, the weapon is at rows 32 of 64.
    np.testing.assert_allclose((closely[1] + closely[3]) / 2, 140, atol=1)
    assert 90 <= (closely[0] + closely[2]) / 2 <= 160
    assert model.note == (
        f"One pass finds people and weapons. Its input is fixed at {rows}x{columns}, so a close-up of a hand costs as "
        "much as a whole frame, and frames are not looked at in smaller sizes."
    )


def test_weapons_are_found_close_up_by_a_network_of_free_size(tmp_path: Path) -> None:
    chosen = settings(write_free_yolo(tmp_path / "free.onnx"), long_side_px=640, weapon_closeup_score=0.8)
    detector, model = load_detector(chosen, threads=1)
    assert model.note == "One pass finds people and weapons."
    assert detector.input_size(720, 1280) == (384, 640)
    closeup = load_closeup(chosen, detector, threads=1)
    assert closeup is not None
    image = np.zeros((720, 1280, 3), np.uint8)
    image[300:312, 400:412] = 255  # 6 pixels of the frame's input: no cell is white
    assert len(detector.detect(image).of("weapon")) == 0
    box = np.array([[366, 280, 386, 328]], np.float32)  # 48 high: a square of 60 around (376, 304)
    found = closeup.look(image, box, NOBODY)
    # 320 / 60 input pixels for each of the image's: the spot is 64 wide, and its cells say so.
    assert len(found) > 0
    assert set(found.labels) == {"weapon"}


@pytest.mark.parametrize("name", ["yolov8", "yolo11", "yolov5u"])
def test_exports_of_ultralytics_go_through_a_clip(tmp_path: Path, name: str) -> None:
    chosen = settings(exported(tmp_path, name), person_score=0.3, weapon_score=0.2)
    networks = load_networks(chosen)
    assert isinstance(networks.detector, YoloDetector)
    assert networks.closeup is not None
    assert networks.models[0].file == f"{name}.onnx"
    seen = observe_clip(ROOT / "docs/demo/demo.mp4", chosen, networks, most_frames=2)
    assert seen.frames_analysed == 2


def test_darknet_and_our_own_go_through_a_clip(tmp_path: Path) -> None:
    weights, _ = write_darknet(tmp_path)
    chosen = settings(weights, person_score=0.9)
    networks = load_networks(chosen)
    assert isinstance(networks.detector, DarknetDetector)
    assert networks.models[0].note.endswith(
        "fixed at 64x96, so a close-up of a hand costs as much as a whole frame, and frames are not looked at in "
        "smaller sizes."
    )
    assert observe_clip(ROOT / "docs/demo/demo.mp4", chosen, networks, most_frames=2).frames_analysed == 2
    own = load_networks(settings(None))
    assert isinstance(own.detector, SeveralSizesDetector)
    assert isinstance(load_networks(settings(None, person_pyramid=False)).detector, YoloxDetector)
    assert own.models[0].note == "One pass finds people and weapons."


def test_only_a_file_of_free_size_that_knows_weapons_looks_at_smaller_frames(tmp_path: Path) -> None:
    weights, _ = write_darknet(tmp_path)
    for chosen, there in (
        (settings(None), True),
        (settings(None, weapon_pyramid=False), False),
        (settings(weights, person_score=0.9), False),
    ):
        detector, _ = load_detector(chosen, threads=1)
        assert (load_pyramid(chosen, detector, threads=1) is not None) is there


def test_own_detector_looks_at_squares_of_320_pixels() -> None:
    chosen = settings(None)
    detector, _ = load_detector(chosen, threads=1)
    closeup = load_closeup(chosen, detector, threads=1)
    assert closeup is not None
    assert (closeup.input_px, closeup.frame_input_px) == (320, 640)


def test_no_closeups_where_none_are_wanted_or_no_weapon_is_known(tmp_path: Path) -> None:
    none = settings(None, weapon_closeups=0)
    detector, model = load_detector(none, threads=1)
    assert load_closeup(none, detector, threads=1) is None
    assert model.note == "One pass finds people and weapons. Hands were not looked at close-up."

    cells = np.zeros((CELLS_64, 85), np.float32)
    coco = settings(write_yolox(tmp_path / "coco.onnx", cells, metadata={}), labels=COCO_LABELS)
    detector, model = load_detector(coco, threads=1)
    assert load_closeup(coco, detector, threads=1) is None
    assert "no class 'weapon', so weapons were not looked for, neither in whole frames" in str(model.note)
    assert "weapon" not in detector.score_thresholds


def test_several_classes_may_count_as_weapons(tmp_path: Path) -> None:
    names = ("person", "weapon", "weapon")  # the file says person, weapon, car
    output = np.zeros((1, 300, 6), np.float32)
    output[0, 0] = [10, 10, 20, 20, 0.9, 2]
    path = write_yolo(tmp_path / "v10.onnx", output)
    detector, _ = load_detector(settings(path, labels=names, weapon_score=0.6), threads=1)
    assert detector.detect(np.zeros((64, 96, 3), np.uint8)).labels == ("weapon",)
    assert detector.score_thresholds == pytest.approx({"person": 0.5, "weapon": 0.6})


def test_detector_that_cannot_serve_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = yolov10(tmp_path)
    armed = {"detector": {"checkpoint": path, "labels": ["cat", "weapon", "car"]}}
    with pytest.raises(CheckpointError, match=r"expected a class 'person'.*got cat, weapon, car; name the"):
        load_detector(Settings.model_validate(armed), threads=1)
    one_shot = {"estimator": "openpifpaf"}  # finds people itself: a detector of weapons will do
    _, model = load_detector(Settings.model_validate(armed | {"pose": one_shot}), threads=1)
    assert str(model.note).startswith("One pass finds weapons, and no people.")
    with pytest.raises(CheckpointError, match="covering of heads"):
        load_detector(
            Settings.model_validate(armed | {"pose": one_shot, "output": {"redact": True}}), threads=1
        )
    neither = {"detector": {"checkpoint": path, "labels": ["cat", "dog", "car"]}, "pose": one_shot}
    with pytest.raises(CheckpointError, match=r"'person' or 'weapon', got cat, dog, car"):
        load_detector(Settings.model_validate(neither), threads=1)
    with pytest.raises(ConfigurationError, match=r"v10.onnx takes 64x96 only, got 640; ask for none"):
        load_detector(settings(path, long_side_px=640), threads=1)
    weights, _ = write_darknet(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"tiny.cfg asks for 64x96, got 640; .*change width and height"
    ):
        load_detector(settings(weights, long_side_px=640), threads=1)
    nameless = onnx.load(str(path))
    del nameless.metadata_props[:]
    onnx.save(nameless, str(tmp_path / "nameless.onnx"))
    with pytest.raises(CheckpointError, match=r"name its classes"):
        load_detector(settings(tmp_path / "nameless.onnx"), threads=1)
