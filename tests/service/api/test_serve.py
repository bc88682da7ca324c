"""`activity serve`, `submit` and `models` as a person runs them, with real networks and a real clip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activity.client import Client, Confirmation, KeypointSequence
from activity.errors import ServiceError

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "docs/demo/demo.mp4"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A real server on a free port, in a state folder of its own."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "ACTIVITY_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "activity", "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        yield {**json.loads(process.stdout.readline()), "environment": environment, "home": home}
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def run(served: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "activity", *arguments],
        env={**served["environment"], "ACTIVITY_URL": served["url"], "ACTIVITY_KEY": served["admin_key"]},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
def test_a_clip_is_submitted_followed_and_its_report_saved(served: dict[str, Any], tmp_path: Path) -> None:
    done = run(served, "submit", str(DEMO), "--out", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    (job,) = json.loads(done.stdout)["jobs"]
    assert job["state"] == "succeeded"
    report = json.loads((tmp_path / "demo/report.json").read_text())
    assert report["clip"]["sha256"]
    assert (tmp_path / "demo/report.html").stat().st_size > 10_000
    assert (tmp_path / "demo/annotated.mp4").stat().st_size > 10_000
    assert len(job["incidents"]) == len(report["alerts"])
    again = run(served, "submit", str(DEMO), "--json")
    assert json.loads(again.stdout)["jobs"][0]["job_id"] == job["job_id"]

    with Client(served["url"], served["admin_key"]) as client:
        states = [seen.state for seen in client.events(job["job_id"])]
        assert states == ["succeeded"]
        for incident in client.incidents(clip_id=job["clip_id"]):
            assert client.review(incident.id, Confirmation(decision="confirmed")).state == "confirmed"
            assert {"clip.mp4", "report.json", "annotated.mp4"} <= {
                file.name for file in client.evidence(incident.id)
            }
        assert client.health().status == "ok"


@pytest.mark.slow
def test_a_client_names_what_a_person_in_keypoints_does(served: dict[str, Any]) -> None:
    person = [(300.0 + 5 * joint, 100.0 + 9 * joint, 0.9) for joint in range(17)]
    with Client(served["url"], served["admin_key"]) as client:
        answer = client.recognize([KeypointSequence(frame_rate_hz=12, keypoints=[person] * 24)])
        assert answer.model == "recognizer_fighting"
        (segment,) = answer.results[0].segments
        assert segment.probabilities[segment.label] == segment.score


@pytest.mark.slow
def test_a_wrong_key_and_a_service_that_is_not_there_are_told_apart(served: dict[str, Any]) -> None:
    with Client(served["url"], "act_wrong") as client, pytest.raises(ServiceError) as refused:
        client.models()
    assert refused.value.status == 401
    assert refused.value.problem is not None
    with (
        Client("http://127.0.0.1:9", "x") as client,
        pytest.raises(ServiceError, match="activity serve") as absent,
    ):
        client.models()
    assert absent.value.status is None
    wrong = run({**served, "admin_key": "act_wrong"}, "submit", str(DEMO))
    assert wrong.returncode == 1
    assert "401" in wrong.stderr


@pytest.mark.slow
def test_a_second_start_shows_no_key_and_a_taken_port_is_named(served: dict[str, Any]) -> None:
    port = served["url"].rpartition(":")[2]
    taken = run(served, "serve", "--port", port)
    assert taken.returncode == 1
    assert "--port" in taken.stderr


def test_models_are_listed_with_their_hashes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "activity", "models", "--json"], capture_output=True, text=True, check=True
    )
    models = json.loads(done.stdout)["models"]
    assert [model["role"] for model in models] == ["detection", "pose", "recognition", "fire", "posture"]
    assert all(len(model["sha256"]) == 64 for model in models)
