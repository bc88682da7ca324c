from __future__ import annotations

import copy
import json

import pytest

from activity.cli.complexity import complexity
from activity.evaluation.complexity import NOTE

REPORT = {
    "models": [
        {
            "name": "BPT-V2 (2,3,3) T=24",
            "parameters": 4_922_733,
            "thop_parameters": 4_918_125,
            "thop_macs": 30_503_808,
            "flop_counter_macs": 30_646_656,
        }
    ],
    "note": NOTE,
}


@pytest.fixture(autouse=True)
def _report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activity.evaluation.complexity.complexity_report", lambda: REPORT)


def test_json_is_one_object_on_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    complexity(json=True, speed=False)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == REPORT
    assert printed.out.count("\n") == 1
    assert printed.err == ""


def test_people_see_a_table_and_what_the_papers_ratio_compares(capsys: pytest.CaptureFixture[str]) -> None:
    complexity(json=False, speed=False)
    printed = capsys.readouterr()
    assert printed.out == ""
    for text in ("BPT-V2", "4,922,733", "30,503,808", "30,646,656"):
        assert text in printed.err
    assert "compares BPT-V2 at T=24 with ST-Tran at T=60" in " ".join(printed.err.split())


def test_speeds_stand_beside_the_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("activity.evaluation.complexity.REFERENCE_MODELS", (("BPT-V2 (2,3,3) T=24", None),))
    monkeypatch.setattr(
        "activity.evaluation.complexity.complexity_report",
        lambda: copy.deepcopy(REPORT),
    )
    monkeypatch.setattr(
        "activity.evaluation.speed.reference_speeds", lambda _config: {"eager": 774.0, "fused": 1326.0}
    )
    complexity(json=True)
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["cpu_segments_per_s"] == {"eager": 774.0, "fused": 1326.0}
    complexity(json=False)
    assert "1,326" in capsys.readouterr().err
