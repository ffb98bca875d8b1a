"""YAML as people write it: ``1:30`` and ``10:00`` are texts, and no numbers to the base 60 (as YAML
1.1 has them, and YAML 1.2 no more)."""

from __future__ import annotations

from typing import Any


def read_yaml(text: str, name: str) -> tuple[Any, Any]:
    """What it says, and its root node, which tells lines; ``name`` is that of the file in errors.
    Raises yaml.YAMLError, RecursionError."""
    import yaml

    loader = yaml.SafeLoader(text)
    loader.name = name
    document = loader.get_single_node()
    if document is None:
        return None, None
    _without_base_60(document, set())
    return loader.construct_document(document), document


def _without_base_60(node: Any, seen: set[int]) -> None:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if node.id == "scalar":
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and ":" in node.value:
            node.tag = "tag:yaml.org,2002:str"
    elif node.id == "sequence":
        for item in node.value:
            _without_base_60(item, seen)
    else:
        for key, value in node.value:
            _without_base_60(key, seen)
            _without_base_60(value, seen)
