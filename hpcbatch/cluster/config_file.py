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

KeyPath = tuple[str, ...]  # the keys that lead to a value


@dataclass(frozen=True)
class ConfigFile:
    """``content`` as YAML says it; ``lines`` of its keys, from 1 up."""

    path: str
    content: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    @classmethod
    def read(cls, path: str) -> ConfigFile:
        """Raises ConfigError."""
        import yaml

        from ..words.yaml_text import read_yaml

        try:
            with open(path, encoding="utf-8") as file:
                if path == FILE_NAME != os.environ.get("HPCBATCH_CONFIG"):
                    _check_found_here(os.fstat(file.fileno()))
                text = file.read()
            content, document = read_yaml(text, os.path.basename(path))
            entries = _lines(document)
        except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"{path} cannot be read: {without_file(error)}") from error
        if not isinstance(content or {}, dict):
            raise ConfigError(f"{path} is no table of 'default' and 'clusters'")
        lines: dict[KeyPath, int] = {}
        for keys, line in entries:
            if keys in lines:
                first = lines[keys]
                raise ConfigError(f"{path}:{line}: {keys[-1]!r} is there twice, see line {first}")
            lines[keys] = line
        return cls(path, content or {}, lines)

    def where(self, *keys: str) -> str:
        """``path:line`` of a key, or of the nearest one around it."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return f"{self.path}:{self.lines[keys]}" if keys else self.path

    def check_keys(self, known: set[str], *keys: str) -> None:
        """Raises ConfigError for a key that nobody reads of the file's table, or of the cluster's
        at ``keys``."""
        table: Any = self.content
        for key in keys:
            table = table[key]
        for key in table:
            if key not in known:
                cluster = f"cluster {keys[-1]}: " if keys else ""
                told = f"{self.where(*keys, str(key))}: {cluster}unknown key {key!r}"
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


def _check_found_here(found: os.stat_result) -> None:
    """Raises ConfigError. Nobody thinks of this file who looks into a folder of somebody else."""
    from ..disk.exposure import check_trusted

    way_out = "read it, and where you trust it set HPCBATCH_CONFIG to it"
    check_trusted(os.path.abspath(FILE_NAME), found, way_out)


def _lines(node: Any, keys: KeyPath = ()) -> list[tuple[KeyPath, int]]:
    found: list[tuple[KeyPath, int]] = []
    if getattr(node, "id", "") == "mapping" and len(keys) < DEPTH:
        for key, value in node.value:
            inner = (*keys, str(key.value))
            found.append((inner, key.start_mark.line + 1))
            found += _lines(value, inner)
    return found
