"""scikit-learn searches on a pool, as docs/pools.md has it."""

from __future__ import annotations

import json

import pytest

from .conftest import Place

PROGRAM = """
import json, joblib, os, hpcbatch as hb
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

grid = {"max_depth": [1, 2, 3, 4]}
search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=3, n_jobs=-1)
hb.register_joblib()
with hb.Controller(workers=2) as pool:
    with joblib.parallel_config("hpcbatch", controller=pool):
        search.fit(*load_iris(return_X_y=True))
    tasks = sum(worker["tasks"] for worker in pool.summary())
best = search.best_params_, search.best_score_
search.n_jobs = 1
search.fit(*load_iris(return_X_y=True))
print(json.dumps([best == (search.best_params_, search.best_score_), tasks]))
"""


@pytest.mark.long
def test_a_search_runs_on_a_pool(with_sklearn: Place) -> None:
    missing = "import importlib.util as u; print(u.find_spec('zmq') is None)"
    if with_sklearn.run("-c", missing).strip() == "True":
        pytest.skip("pyzmq is not installed beside scikit-learn")
    is_same, tasks = json.loads(with_sklearn.run("-c", PROGRAM))
    assert is_same
    assert tasks > 0
