"""Read YAML into pydantic models; whatever is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from activity.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a pydantic model.

    Raises:
        ConfigurationError: If the file cannot be read, is no YAML mapping, or a value is unknown or out of bounds; every
            wrong field is named with what came.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    return check_settings(content, model, where=str(path))


def check_settings(content: Mapping[str, object], model: type[Model], *, where: str) -> Model:
    """Make a pydantic model of a mapping.

    Raises:
        ConfigurationError: If a value is unknown or out of bounds; `where` and every wrong field are named.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']} (got {item['input']!r})"
            for item in error.errors(include_url=False)
        )
        raise ConfigurationError(f"{where}: {wrong}") from error
