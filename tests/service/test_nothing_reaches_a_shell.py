"""Settings and files name no program, build no command line and no object: nothing that is read can run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import activity
from activity.errors import ConfigurationError
from activity.service.settings import load_service_settings
from activity.service.storage import open_storage

PACKAGE = Path(activity.__file__).parent
SHELLS = {
    ("os", "system"),
    ("os", "popen"),
    ("subprocess", "getoutput"),
    ("subprocess", "getstatusoutput"),
    ("asyncio", "create_subprocess_shell"),
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("pickle", "load"),
    ("pickle", "loads"),
}


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(PACKAGE), node


def test_no_call_hands_text_to_a_shell_or_makes_objects_of_a_file() -> None:
    found = [
        (str(path), node.lineno)
        for path, node in calls()
        if (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and (node.func.value.id, node.func.attr) in SHELLS
        )
        or (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"))
        or any(
            word.arg == "shell" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
            for word in node.keywords
        )
    ]
    assert found == []


def test_the_service_starts_no_program_but_python_itself() -> None:
    started = [
        ast.unparse(node.args[0])
        for path, node in calls()
        if path.parts[0] == "service"
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "subprocess"
    ]
    assert started
    assert all(command.startswith("[sys.executable, '-") for command in started), started


@pytest.mark.parametrize(
    "text",
    [
        "storage: !!python/object/apply:os.system ['touch /tmp/was-here']",
        "storage: !!python/name:os.system",
        "database: !!python/object/new:subprocess.Popen [['touch', '/tmp/was-here']]",
        "storage: &a [*a]",
        "storage: {a: b}",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "command: touch /tmp/was-here",
    ],
)
def test_settings_that_are_more_than_values_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError):
        load_service_settings(path)


@pytest.mark.parametrize("value", ["$(touch {0})", "`touch {0}`", "; touch {0}", "|touch {0}", "-o {0}"])
def test_a_folder_with_signs_of_a_shell_in_its_name_is_a_folder(tmp_path: Path, value: str) -> None:
    witness = tmp_path / "witness"
    folder = tmp_path / value.format("witness")
    open_storage(str(folder)).check()
    assert folder.is_dir()
    assert not witness.exists()
