"""docs/architecture.md shows the code as it is: every package, the layers that are checked, and files that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import activity.structures

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def parts(folder: str) -> set[str]:
    """The packages and modules of a folder, as the page names them."""
    found = set()
    for path in (ROOT / folder).iterdir():
        if (path / "__init__.py").is_file():
            found.add(f"{folder}/{path.name}/")
        elif path.suffix == ".py" and not path.stem.startswith("__"):
            found.add(f"{folder}/{path.name}")
    return found


def first_cells() -> list[str]:
    return re.findall(r"^\| `(activity/[\w./]+)` \|", TEXT, re.MULTILINE)


def test_every_package_has_its_line_and_every_line_its_package() -> None:
    named = first_cells()
    assert len(named) == len(set(named))
    inside = {name for name in named if name.count("/") > 1 and not re.fullmatch(r"activity/\w+/", name)}
    assert set(named) - inside == parts("activity")
    assert inside == {name for name in parts("activity/service") if name.endswith("/")}


def test_the_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (found["layers"] for found in contracts["contracts"] if found["type"] == "layers")
    shown = TEXT.partition("## The layers")[2].split("```")[1].strip().splitlines()
    assert shown == [layer.replace("(", "").replace(")", "") for layer in layers]


def test_every_file_that_is_named_exists_and_holds_what_it_is_named_for() -> None:
    paths = [path for path in re.findall(r"`((?:activity|configs)/[\w./]+)`", TEXT) if "NAME" not in path]
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for name, path in re.findall(r"`(\w+)` in `(activity/[\w/]+\.py)`", TEXT):
        assert re.search(rf"^(class )?{name}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (
            name,
            path,
        )


def test_the_chain_is_made_of_types_that_exist() -> None:
    chain = TEXT.partition("```\n")[2].partition("```")[0]
    types = set(re.findall(r"[A-Z]\w+", chain))
    assert len(types) == 8
    assert types <= set(activity.structures.__all__)
