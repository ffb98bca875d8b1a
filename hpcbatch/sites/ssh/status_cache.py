"""A status that is as it was when it was last told travels as a word for it alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any


def word_of(told: Any) -> str:
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=9).hexdigest()


def new_of(told: Iterable[Mapping[str, Any]], known: Mapping[str, str]) -> list[Any]:
    """What travels of what is ``told``: where its word is among those ``known`` by id, that."""
    return [
        word if (word := known.get(each.get("id", ""))) == word_of(each) else each for each in told
    ]


class StatusCache:
    """What was told last, by id."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}

    def words(self, ids: Iterable[str] | None) -> dict[str, str]:
        chosen = self._told if ids is None else [id for id in ids if id in self._told]
        return {id: word_of(self._told[id]) for id in chosen}

    def whole(self, answers: Iterable[Any], words: Mapping[str, str]) -> list[dict[str, Any]]:
        """The answers to whoever knew ``words``."""
        ids = {word: id for id, word in words.items()}
        found = [self._told[ids[each]] if isinstance(each, str) else each for each in answers]
        self._told.update({each["id"]: each for each in found if "id" in each})
        return found
