"""`scripts/setup` with a Python that only notes what it is asked: its order, its second run, its errors."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE_PYTHON = """#!/usr/bin/env bash
# Answers as python, venv and pip would, and notes what it was asked.
input=""
[[ "$1" != - ]] || input="$(cat)"
echo "$*" >>"$CALLS"
case "$*" in
  -V) echo "Python 3.11.9" ;;
  -) if [[ $input == *ensurepip* ]]; then echo "${FOUND:-good}"; elif [[ -e broken ]]; then exit "$(<broken)"; fi ;;
  "-m venv --clear .venv") rm -rf .venv broken && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip show openpifpaf") [[ ! -e .venv/openpifpaf ]] || echo "Version: 0.13.11" ;;
  "-m pip show --quiet opencv-python") [[ -e opencv-python ]] ;;
  "-m pip list"*) printf '%s\\n' zipp==4 torch==2.13.0+cpu opencv-python==4.14 nvidia-cudnn==9 av==18.1.0 ;;
  *" install "*)
    if [[ -n "${FAIL_AT:-}" && "$*" == *"$FAIL_AT"* ]]; then echo "$MESSAGE" >&2; exit 1; fi
    [[ "$*" != *openpifpaf==* ]] || touch .venv/openpifpaf ;;
esac
"""
Setup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "check out"  # a space, as people's folders have
    (folder / "scripts").mkdir(parents=True)
    for name in ("scripts/setup", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "fake-python").write_text(FAKE_PYTHON, encoding="utf-8")
    (folder / "fake-python").chmod(0o755)
    return folder


@pytest.fixture
def setup(checkout: Path) -> Setup:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        defaults = {"PYTHON": "./fake-python", "CALLS": str(checkout / "calls"), "CXX": "true"}
        return subprocess.run(  # noqa: S603
            [checkout / "scripts/setup", *arguments],
            env=os.environ | defaults | environment,
            cwd=checkout.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def installs(checkout: Path) -> list[str]:
    """What pip was asked to install or remove, in order, and forget it."""
    calls = (checkout / "calls").read_text(encoding="utf-8").splitlines()
    (checkout / "calls").write_text("")
    prefix = "-m pip --disable-pip-version-check --no-input "
    return [call.removeprefix(prefix) for call in calls if call.startswith(prefix)]


EVERYTHING = [
    "install -c constraints.txt pip setuptools wheel ninja numpy",
    "install -c constraints.txt torch==2.13.0",
    "install --no-deps --no-build-isolation openpifpaf==0.13.11",
    "install --no-deps -r constraints.txt",
    "install --no-deps --no-build-isolation -e .",
]


def test_a_fresh_clone_installs_torch_first_and_openpifpaf_without_its_pins(
    checkout: Path, setup: Setup
) -> None:
    result = setup()
    assert result.returncode == 0, result.stderr
    assert installs(checkout) == EVERYTHING
    assert "Set up in" in result.stderr
    assert result.stdout == ""


def test_a_second_run_does_nothing(checkout: Path, setup: Setup) -> None:
    setup()
    (checkout / "calls").unlink()
    result = setup()
    assert (result.returncode, result.stderr) == (0, "")
    assert not (checkout / "calls").exists()


@pytest.mark.parametrize("changed", ["pyproject.toml", "constraints.txt", "scripts/setup"])
def test_a_change_of_what_is_needed_brings_the_environment_up_to_date(
    checkout: Path, setup: Setup, changed: str
) -> None:
    setup()
    installs(checkout)
    with (checkout / changed).open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    assert setup().returncode == 0
    assert installs(checkout) == [call for call in EVERYTHING if "openpifpaf" not in call]


def test_a_checkout_that_moved_is_set_up_anew(checkout: Path, setup: Setup) -> None:
    setup()
    installs(checkout)
    moved = checkout.rename(checkout.with_name("moved"))
    result = subprocess.run(  # noqa: S603
        [moved / "scripts/setup"],
        env=os.environ | {"PYTHON": str(moved / "fake-python"), "CALLS": str(moved / "calls")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Set up in" in result.stderr
    assert "install --no-deps --no-build-isolation -e ." in installs(moved)


def test_a_half_made_environment_is_mended(checkout: Path, setup: Setup) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to("/nonexistent/python3")
    assert setup().returncode == 0
    assert installs(checkout) == EVERYTHING


def test_an_interrupted_installation_goes_on_where_it_stopped(checkout: Path, setup: Setup) -> None:
    assert setup(FAIL_AT="-r constraints.txt", MESSAGE="Network is unreachable").returncode == 1
    assert installs(checkout) == EVERYTHING[:4]
    assert setup().returncode == 0
    assert installs(checkout) == [call for call in EVERYTHING if "openpifpaf" not in call]


def test_a_damaged_environment_is_made_anew(checkout: Path, setup: Setup) -> None:
    setup()
    installs(checkout)
    (checkout / "broken").write_text("1")  # until a new .venv is made
    result = setup("--force")
    assert result.returncode == 0, result.stderr
    assert ".venv is damaged; making it anew" in result.stderr
    assert installs(checkout)[4:] == EVERYTHING


def test_a_decoder_that_does_not_load_is_built_anew_first(checkout: Path, setup: Setup) -> None:
    setup()
    installs(checkout)
    (checkout / "broken").write_text("3")
    assert setup("--force").returncode == 0
    rebuild = "install --no-deps --no-build-isolation --force-reinstall --no-cache-dir openpifpaf==0.13.11"
    assert installs(checkout)[4:] == [rebuild, *EVERYTHING]


def test_an_environment_that_stays_broken_is_an_error(checkout: Path, setup: Setup) -> None:
    script = (checkout / "fake-python").read_text(encoding="utf-8")
    (checkout / "fake-python").write_text(
        script.replace("rm -rf .venv broken", "rm -rf .venv"), encoding="utf-8"
    )
    (checkout / "broken").write_text("1")
    result = setup()
    assert result.returncode == 1
    assert "Setup stopped: the step above failed" in result.stderr
    assert setup().returncode == 1


def test_the_opencv_that_needs_a_window_system_makes_room(checkout: Path, setup: Setup) -> None:
    (checkout / "opencv-python").touch()
    setup()
    assert installs(checkout)[3] == "uninstall --yes opencv-python opencv-python-headless"


@pytest.mark.parametrize(
    ("environment", "stopped", "mend"),
    [
        (
            {"PYTHON": "no-such-python"},
            "no Python 3.11 or newer was found (PYTHON is no-such-python)",
            "apt-get",
        ),
        ({"FOUND": "old"}, "no Python 3.11 or newer was found", "PYTHON="),
        ({"FOUND": "headers"}, "./fake-python lacks its headers", "apt-get install python3-venv python3-dev"),
        ({"FOUND": "venv"}, "./fake-python lacks its venv", "apt-get install python3-venv python3-dev"),
        ({"CXX": "no-such-compiler"}, "no C++ compiler (CXX is no-such-compiler)", "apt-get install g++"),
        (
            {"FAIL_AT": "torch==", "MESSAGE": "OSError: [Errno 28] No space left on device"},
            "the disk is full",
            "free some space",
        ),
        (
            {"FAIL_AT": "openpifpaf==", "MESSAGE": "fatal error: Python.h: No such file or directory"},
            "Python's headers are missing",
            "apt-get install python3-dev",
        ),
        (
            {"FAIL_AT": "ninja", "MESSAGE": "NewConnectionError: refused\nERROR: No matching distribution"},
            "the package index could not be reached",
            "check the network",
        ),
        (
            {"FAIL_AT": "torch==", "MESSAGE": "ERROR: No matching distribution found for torch"},
            "no package that fits this machine (Python 3.11.9",
            "PYTHON=python3.11 scripts/setup",
        ),
        ({"FAIL_AT": "openpifpaf==", "MESSAGE": "c++: Killed signal"}, "memory ran out", "MAX_JOBS=1"),
        ({"FAIL_AT": "-e .", "MESSAGE": "something new"}, "the step above failed", "setup.log"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_goes_wrong_is_named_with_what_to_do(
    setup: Setup, environment: dict[str, str], stopped: str, mend: str
) -> None:
    result = setup(**environment)
    assert result.returncode == 1
    assert stopped in result.stderr.split("Setup stopped:")[1].split("What to do:")[0]
    assert mend in result.stderr.split("What to do:")[1]
    assert environment.get("MESSAGE", "") in result.stderr


def test_an_error_of_an_earlier_step_does_not_name_the_cause_of_a_later_one(
    checkout: Path, setup: Setup
) -> None:
    script = (checkout / "fake-python").read_text(encoding="utf-8")
    noisy = script.replace('*" install "*)', '*ninja*) echo "Read timed out; retrying" ;;\n  *" install "*)')
    (checkout / "fake-python").write_text(noisy, encoding="utf-8")
    result = setup(FAIL_AT="torch==", MESSAGE="something new")
    assert "the step above failed" in result.stderr


def test_freeze_writes_the_versions_without_what_belongs_to_one_machine(checkout: Path, setup: Setup) -> None:
    setup()
    assert setup("--freeze").returncode == 0
    lines = (checkout / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["av==18.1.0", "torch==2.13.0", "zipp==4"]
    assert lines[0].startswith("# Every package")


def test_wrong_usage_is_exit_code_2(setup: Setup) -> None:
    result = setup("--nonsense")
    assert result.returncode == 2
    assert "Usage: scripts/setup" in result.stderr
