from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import DatasetError
from activity.evaluation.fire import evaluate_fire, measure_fire
from activity.training.fire import trainer
from activity.training.fire.config import FireConfig
from activity.training.fire.pictures import FirePicture


@pytest.fixture
def redness(tmp_path: Path) -> Path:
    """A classifier that takes the mean of the red channel for the probability of fire."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    outputs = [
        helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("activation", TensorProto.FLOAT, [1, 32, 32]),
    ]
    red = helper.make_tensor("red", TensorProto.FLOAT, [1, 3, 1, 1], [1 / 255, 0, 0])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Conv", ["images", "red"], ["cells"]),
        helper.make_node("Squeeze", ["cells", "axis"], ["activation"]),
        helper.make_node("ReduceMean", ["activation"], ["probability"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "redness", [images], outputs, [red, axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"threshold": "0.5"})
    path = tmp_path / "redness.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Fires of redness 1, 0.8 and 0.2, none of 0, 0.6, 0 and 0.4."""
    for name, levels in (("fire", (255, 204, 51)), ("no_fire", (0, 153, 0, 102))):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for index, level in enumerate(levels):
            cv2.imwrite(str(folder / f"{index}.png"), np.full((20, 30, 3), (0, 0, level), np.uint8))
    return tmp_path / "data"


def test_figures_of_seven_pictures_worked_by_hand(redness: Path, pictures: Path) -> None:
    done: list[tuple[int, int]] = []
    metrics = evaluate_fire(redness, pictures, on_image=lambda *count: done.append(count))
    assert metrics.recall == pytest.approx(2 / 3)
    assert metrics.false_positive_rate == pytest.approx(1 / 4)
    assert metrics.balanced_accuracy == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert metrics.precision == pytest.approx(2 / 3)
    assert metrics.auc == pytest.approx(10 / 12)  # the fire of 0.2 loses against 0.6 and 0.4
    assert metrics.brier == pytest.approx((0 + 0.04 + 0.64 + 0 + 0.36 + 0 + 0.16) / 7, abs=1e-3)
    assert (metrics.n, metrics.fires) == (7, 3)
    assert done == [(i, 7) for i in range(1, 8)]


def test_command_prints_one_object_with_the_promised_keys(redness: Path, pictures: Path) -> None:
    asked = ["evaluate", "fire", "--data", str(pictures), "--checkpoint", str(redness), "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert {"balanced_accuracy", "precision", "recall", "auc", "false_positive_rate", "n"} <= figures.keys()
    assert figures["n"] == 7


def test_no_alarm_at_all_has_a_precision_of_zero_and_ties_count_half() -> None:
    metrics = measure_fire(np.array([0.2, 0.2]), np.array([True, False]), threshold=0.5)
    assert (metrics.precision, metrics.recall, metrics.balanced_accuracy, metrics.auc) == (0, 0, 0.5, 0.5)


def test_data_without_one_of_the_classes_is_refused(redness: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="2 pictures of which 2 burn"):
        measure_fire(np.array([0.2, 0.3]), np.array([True, True]), threshold=0.5)
    with pytest.raises(DatasetError, match="fire: expected a folder of images"):
        evaluate_fire(redness, tmp_path)
    for name in ("fire", "no_fire"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"broken\.jpg: cannot be read"):
        evaluate_fire(redness, tmp_path)


def test_a_classifier_is_measured_on_what_a_training_keeps_apart(
    redness: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture(level: int, *, burns: bool, name: str, held_out: bool = True) -> FirePicture:
        image = np.zeros((32, 32, 3), np.uint8)
        image[..., 0] = level
        origin = "fire" if burns else "no_fire"
        return FirePicture(image, burns, None, origin, name, name, name, held_out)

    asked = []

    def read(config: FireConfig) -> list[FirePicture]:
        asked.append(config.data)
        return [
            picture(230, burns=True, name="bright"),
            picture(100, burns=True, name="dull"),
            picture(20, burns=False, name="dark"),
            picture(250, burns=False, name="learned from", held_out=False),
        ]

    monkeypatch.setattr(trainer, "read_all_pictures", read)
    shipped = (Path(__file__).parents[2] / "configs" / "fire.yaml").read_text()
    config = tmp_path / "fire.yaml"
    config.write_text(shipped.replace("data: ../shared/data", f"data: {tmp_path}"))
    call = ["evaluate", "fire", "--held-out-of", str(config), "--checkpoint", str(redness), "--json"]
    figures = json.loads(CliRunner().invoke(app, call, catch_exceptions=False).stdout)
    assert asked == [tmp_path]
    assert figures["labelled"]["n"] == 3
    assert figures["labelled"]["balanced_accuracy"] == pytest.approx(0.75)
    assert figures["wrong"] == ["dull"]
    lower = json.loads(CliRunner().invoke(app, [*call, "--threshold", "0.3"]).stdout)
    assert lower["labelled"]["balanced_accuracy"] == 1


@pytest.mark.parametrize("both", [True, False])
def test_fire_is_measured_on_one_kind_of_data_at_a_time(both: bool, tmp_path: Path) -> None:
    options = ["--data", str(tmp_path), "--held-out-of", "fire.yaml"] if both else []
    result = CliRunner().invoke(app, ["evaluate", "fire", *options])
    assert result.exit_code == 2
    assert "give either --data or --held-out-of" in result.output
