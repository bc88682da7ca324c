"""Settings: what is refused, what the shipped file says, where checkpoints are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from activity.config import (
    CHECKPOINT_FOLDER_VARIABLE,
    FusionSettings,
    PoseSettings,
    Settings,
    checkpoint_folder,
    embedded_checkpoint,
    load_settings,
)
from activity.errors import CheckpointError, ConfigurationError

SHIPPED = Path(__file__).parents[1] / "configs" / "analyze.yaml"


def fields_of(model: BaseModel) -> dict[str, object]:
    return {
        name: fields_of(value) if isinstance(value, BaseModel) else value
        for name in type(model).model_fields
        for value in [getattr(model, name)]
    }


def keys_of(mapping: dict[str, object]) -> dict[str, object]:
    return {name: keys_of(value) if isinstance(value, dict) else None for name, value in mapping.items()}


def test_the_shipped_file_names_every_setting_with_its_default() -> None:
    assert load_settings(SHIPPED) == Settings()
    assert keys_of(yaml.safe_load(SHIPPED.read_text())) == keys_of(fields_of(Settings()))


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\n")
    assert load_settings(path) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("video: {sample_rate_hz: 0}", r"video\.sample_rate_hz.*got 0"),
        ("video: {sample_rate: 5}", r"video\.sample_rate"),
        ("threads: -1", "threads"),
        ("detector: {long_side_px: 100}", "multiple of 32"),
        ("- 1", "expected a mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_files_are_refused_with_the_field_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=expected):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml")


RULES = """
rules:
  - {name: fight, alert: Fighting, for: police, severity: severe, needs: [{activity: Fighting, at_least: 0.9}]}
"""


def test_rules_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    (rule,) = FusionSettings.model_validate({"rules": str(path)}).rules
    assert (rule.label, rule.needs[0].at_least) == ("Fighting", 0.9)
    assert FusionSettings.model_validate({"rules": "default"}) == FusionSettings()
    path.write_text(RULES.replace("at_least", "atleast"))
    with pytest.raises(ConfigurationError, match=r"rules\.0\.needs\.0\.atleast"):
        FusionSettings.model_validate({"rules": str(path)})


def test_two_rules_of_one_name_are_refused() -> None:
    rule = yaml.safe_load(RULES)["rules"][0]
    with pytest.raises(ValueError, match="one rule a name"):
        FusionSettings.model_validate({"rules": [rule, rule]})


def test_a_camera_that_is_not_set_is_refused() -> None:
    with pytest.raises(ValueError, match="camera: expected one of"):
        Settings.model_validate({"camera": "lobby"})
    assert Settings.model_validate({"camera": "lobby", "cameras": {"lobby": {}}}).camera == "lobby"


def test_settings_survive_a_round_trip_through_json() -> None:
    settings = Settings.model_validate(
        {
            "cameras": {"lobby": {"ignore": [[[0, 0], [1, 0], [1, 0.5]]], "thresholds": {"fire": 0.9}}},
            "camera": "lobby",
            "recorded_at": "2026-01-02T23:15:00",
        }
    )
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize("section", [{"detector": {"weapon_needed": 11}}, {"fire": {"needed": 4}}])
def test_more_frames_needed_than_there_are_is_refused(section: dict[str, dict[str, int]]) -> None:
    with pytest.raises(ValueError, match="at most as many frames needed"):
        Settings.model_validate(section)


@pytest.mark.parametrize(
    ("text", "estimator", "checkpoint"),
    [
        ("topdown", "topdown", None),
        ("openpifpaf", "openpifpaf", None),
        ("openpifpaf:shufflenetv2k16", "openpifpaf", "shufflenetv2k16"),
        ("topdown:my:net.onnx", "topdown", "my:net.onnx"),
    ],
)
def test_a_pose_choice_names_estimator_and_checkpoint(
    text: str, estimator: str, checkpoint: str | None
) -> None:
    chosen = PoseSettings.parse(text)
    assert (chosen.estimator, chosen.checkpoint) == (estimator, checkpoint)


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="expected topdown or openpifpaf"):
        PoseSettings.parse("alphapose")


def test_the_checkpoint_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHECKPOINT_FOLDER_VARIABLE, str(tmp_path))
    assert checkpoint_folder() == tmp_path
    with pytest.raises(CheckpointError, match=CHECKPOINT_FOLDER_VARIABLE):
        embedded_checkpoint("missing.onnx")
