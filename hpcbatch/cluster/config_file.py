"""hpcbatch.yaml as it lies on disk: where it is found, what it says, and on which line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..words.errors import ConfigError
from ..words.layout import config_folder
from ..words.messages import nearest, without_file

FILE_NAME = "hpcbatch.yaml"
DEPTH = 4  # clusters, name, setting, and what a setting holds

Place = tuple[str, ...]  # the keys that lead to a value


@dataclass(frozen=True)
class ConfigFile:
    """``content`` as YAML says it; ``lines`` of its keys, from 1 up."""

    path: str
    content: Mapping[str, Any]
    lines: Mapping[Place, int]

    @classmethod
    def read(cls, path: str) -> ConfigFile:
        """Raises ConfigError."""
        import yaml

        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            loader = yaml.SafeLoader(text)
            document = loader.get_single_node()
            places = _lines(document)
            content = loader.construct_document(document) if document is not None else None
        except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read: {without_file(error)}") from error
        if not isinstance(content or {}, dict):
            raise ConfigError(f"{path} is no table of 'default' and 'clusters'")
        lines: dict[Place, int] = {}
        for place, line in places:
            if place in lines:
                first = lines[place]
                raise ConfigError(f"{path}:{line}: {place[-1]!r} is there twice, see line {first}")
            lines[place] = line
        return cls(path, content or {}, lines)

    def where(self, *place: str) -> str:
        """``path:line`` of a key, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return f"{self.path}:{self.lines[place]}" if place else self.path

    def check_keys(self, known: set[str], *place: str) -> None:
        """Raises ConfigError for a key of the table at ``place`` that nobody reads."""
        table: Any = self.content
        for key in place:
            table = table[key]
        for key in table:
            if key not in known:
                told = f"{self.where(*place, str(key))}: unknown key {key!r}"
                raise ConfigError(f"{told}{nearest(str(key), known)}")


def find_file() -> str | None:
    """The first of the files that a configuration is looked for in. Raises ConfigError."""
    chosen = os.environ.get("HPCBATCH_CONFIG")
    if chosen:
        if not os.path.exists(chosen):
            raise ConfigError(f"there is no file {chosen} (named by HPCBATCH_CONFIG)")
        return chosen
    for path in (FILE_NAME, home_file(), f"/etc/{FILE_NAME}"):
        if os.path.exists(path):
            return path
    return None


def home_file() -> str:
    """Where this user's own configuration lies, or would lie."""
    return f"{config_folder()}/{FILE_NAME}"


def _lines(node: Any, place: Place = ()) -> list[tuple[Place, int]]:
    found: list[tuple[Place, int]] = []
    if getattr(node, "id", "") == "mapping" and len(place) < DEPTH:
        for key, value in node.value:
            inner = (*place, str(key.value))
            found.append((inner, key.start_mark.line + 1))
            found += _lines(value, inner)
    return found
