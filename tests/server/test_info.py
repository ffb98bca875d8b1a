"""What a server tells besides: results as JSON, and what it counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.core import Case

from .test_doors import client


def odd(k: int, canary: str) -> Any:
    if k == 1:
        raise ValueError("one is bad")
    if k == 2:

        class Opens:
            def __reduce__(self) -> Any:
                return os.mkdir, (canary,)

        return Opens()
    return {"k": k}


def test_results_as_json_without_unpickling(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    case = Case.of(odd, range(4), const={"canary": str(canary)})
    case.run(case.submit())
    with client(Path(case.registry.root), require_auth=False) as opened:
        answer = opened.get("/info/results", params={"id": case.task.id})
        lines = [json.loads(line) for line in answer.text.splitlines()]
        some = opened.get("/info/results", params={"id": case.task.id, "jobs": "3"})
        wrong = [
            opened.get("/info/results", params={"id": case.task.id, "jobs": jobs}).status_code
            for jobs in ("9", "x")
        ]
        nobody = opened.get("/info/results", params={"id": "0123abcd__x"})
    assert lines[0] == {"job": 0, "value": {"k": 0}}
    assert lines[1] == {"job": 1, "error": "ValueError", "message": "one is bad"}
    assert lines[2] == {"job": 2, "not_plain": "posix.mkdir"}
    assert not canary.exists()
    assert json.loads(some.text) == {"job": 3, "value": {"k": 3}}
    assert case.task.id in answer.headers["content-disposition"]
    assert wrong == [404, 400]
    assert nobody.status_code == 404


def test_what_is_counted(tmp_path: Path) -> None:
    case = Case.of(abs, [1, -2])
    with client(Path(case.registry.root), require_auth=False) as opened:
        opened.get("/info/tasks")
        for path in ("/nowhere", "/elsewhere"):
            opened.get(path)
        answer = opened.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'hpcbatch_jobs{state="defined"} 2.0' in lines
    assert "hpcbatch_queue 0.0" in lines
    assert 'hpcbatch_requests_total{method="GET",route="/info/tasks",status="200"} 1.0' in lines
    assert 'hpcbatch_requests_total{method="GET",route="other",status="404"} 2.0' in lines
    assert not [line for line in lines if "nowhere" in line]


def test_metrics_are_closed_as_info_is(tmp_path: Path) -> None:
    with client(tmp_path / "a") as closed:
        assert closed.get("/metrics").status_code == 401
    options: dict[str, Any] = {"modules_require_auth": ("task",), "anonymous_request": True}
    with client(tmp_path / "b", **options) as opened:
        assert opened.get("/metrics").status_code == 200
