"""The files around the code fit together."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
DECLARED = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
PINNED = {
    canonicalize_name(name): Version(version)
    for name, version in (
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
}
BUILD_TOOLS = {"ninja", "pip", "setuptools", "wheel"}
# trackers asks for the OpenCV with a window system; its twin without one fills the same folder
SUBSTITUTES = {"opencv-python": "opencv-python-headless"}
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("checkpoints/*.md"))
)


def requirements_of(name: str) -> set[str]:
    """Names that an installed package needs on this machine, without extras."""
    try:
        texts = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.fail(f"{name} is pinned in constraints.txt but not installed; run scripts/setup")
    needed = {
        canonicalize_name(requirement.name)
        for requirement in map(Requirement, texts)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }
    # the CUDA build of torch pins its own libraries
    return {
        SUBSTITUTES.get(other, other)
        for other in needed
        if not other.startswith(("nvidia-", "cuda-", "triton"))
    }


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_every_declared_package_is_pinned_at_a_version_that_fits(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)], prereleases=True)


def test_pins_are_those_of_everybodys_machine() -> None:
    assert all(version.local is None for version in PINNED.values())


def test_every_pinned_package_finds_what_it_needs_among_the_pins() -> None:
    missing = {name: requirements_of(name) - PINNED.keys() for name in PINNED}
    assert {name: needed for name, needed in missing.items() if needed} == {}


def test_every_pinned_package_is_needed() -> None:
    reached: set[str] = set()
    waiting = {canonicalize_name(requirement.name) for requirement in DECLARED} | BUILD_TOOLS
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= requirements_of(name) - reached
    assert set(PINNED) - reached == set()


def test_what_runs_without_training_does_not_need_the_training_packages() -> None:
    optional = {
        canonicalize_name(Requirement(text).name) for text in PROJECT["optional-dependencies"]["train"]
    }
    required = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert optional & required == set()


def test_the_licence_is_the_agpl_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in text.splitlines()[0]
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license"] == "AGPL-3.0-or-later"


@pytest.mark.parametrize("script", ["setup", "demo", "test", "check"])
def test_every_script_explains_itself(script: str) -> None:
    result = subprocess.run(  # noqa: S603
        [ROOT / "scripts" / script, "--help"], capture_output=True, text=True, check=True, timeout=20
    )
    assert result.stdout.startswith(f"Usage: scripts/{script}")
    assert result.stderr == ""


@pytest.mark.parametrize("script", ["setup", "demo", "test", "check"])
def test_the_readme_or_the_guide_for_contributors_names_every_script(script: str) -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")]
    assert any(f"scripts/{script}" in text for text in texts)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text) + re.findall(
        r'(?:src|href)="([^":#]+)"', text
    )
    missing = [target for target in targets if not ((ROOT / document).parent / target).exists()]
    assert missing == []


def test_every_package_has_its_place_in_the_import_contract() -> None:
    (layers,) = (
        contract
        for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    assert layers["exhaustive"] is True
    placed = {name.strip(" ()") for layer in layers["layers"] for name in layer.split("|")}
    present = {path.stem for path in (ROOT / "activity").glob("[!_]*.py")} | {
        path.parent.name for path in (ROOT / "activity").glob("*/__init__.py")
    }
    assert present <= placed


def test_every_checkpoint_has_its_model_card() -> None:
    folder = ROOT / "checkpoints"
    checkpoints = [path for path in folder.iterdir() if path.suffix in {".onnx", ".safetensors"}]
    assert [path.name for path in checkpoints if not path.with_suffix(".md").is_file()] == []


def test_checkpoints_do_not_tell_of_the_machine_that_wrote_them() -> None:
    wordy = [
        path.name
        for path in sorted((ROOT / "checkpoints").iterdir())
        if path.suffix in {".onnx", ".safetensors"}
        and (
            b"stack_trace" in (content := path.read_bytes()) or b'File "/' in content or b"/home/" in content
        )
    ]
    assert wordy == []
