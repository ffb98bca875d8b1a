"""Modules that neither travel nor are installed: ``create`` says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import warnings
import elsewhere
import hpcbatch as hb

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    hb.create(lambda x: elsewhere.double(x), [1, 2])
print([str(w.message) for w in told if issubclass(w.category, hb.CodeWarning)])
"""


def test_a_module_of_another_folder_is_told(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    other = tmp_path / "src"
    other.mkdir()
    (other / "elsewhere.py").write_text("def double(x): return 2 * x\n")
    script = tmp_path / "script" / "main.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(other))
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "module 'elsewhere'" in ended.stdout
    assert "importable on the nodes" in ended.stdout
