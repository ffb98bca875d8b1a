"""What is told of a login node that is not as it should be."""

from __future__ import annotations

from typing import Any

import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh import check, scripts
from hpcbatch.sites.ssh.keeper_client import Line


class Several:
    """A login node with several schedulers."""

    line = Line("ssh://login")

    @property
    def exchange(self) -> Any:
        return self

    def ask(self, verb: str, **_: Any) -> Any:
        if verb == "health":
            raise hb.ConfigError("vm has several schedulers (slurm, sge): set 'default'")
        return {"version": hb.__version__, "host": "vm"}


def test_where_a_cluster_is_chosen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "run", lambda *_: None)
    *_, found = check.check(Several(), None, 1.0)  # type: ignore[arg-type]
    assert (found.about, found.state) == ("scheduler", "wrong")
    assert "--cluster NAME for the test job, or mend hpcbatch.yaml at ssh://login" in found.advice
    *_, found = check.check(Several(), "lsf", 1.0)  # type: ignore[arg-type]
    assert found.advice == ""
