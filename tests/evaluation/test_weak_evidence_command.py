"""`activity evaluate holders` with both kinds of weak evidence."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from activity.cli import app


@pytest.mark.real_data
def test_the_command_measures_the_shipped_file_on_labelled_pictures(
    shared_data: Path, tmp_path: Path
) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        for path in sorted((shared_data / "weapons/val" / kind).iterdir())[:40]:
            (tmp_path / kind / path.name).symlink_to(path)
    arguments = [
        "evaluate",
        "holders",
        "--scenes",
        "0",
        "--pointing-scenes",
        "10",
        "--weapons",
        str(tmp_path),
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    low, high = figures["posture"]["interval"]
    assert low <= figures["posture"]["balanced_accuracy"] <= high
    assert figures["posture"]["told_by_the_file"]["balanced_accuracy"] < 0.8
    assert figures["pointing"]["n"] == 10


def test_a_network_that_takes_no_boxes_cannot_be_measured_so(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((200, 200, 3), np.uint8))
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.8\n")
    result = CliRunner().invoke(
        app, ["evaluate", "holders", "--scenes", "0", "--weapons", str(tmp_path), "--pose", "openpifpaf"]
    )
    assert result.exit_code != 0
    assert "labelled boxes" in result.output + str(result.exception)
