"""Which measurements predict the course of diabetes, and how sure is that?

    python bootstrap_study.py submit --cluster sge    # on the login node; returns at once
    python bootstrap_study.py resume                  # submits what was cancelled or lost
    python bootstrap_study.py report                  # table, CSV file and picture

The lasso, with its penalty chosen by cross-validation, on scikit-learn's diabetes data (442
patients, 10 measurements). Job 0 fits the data, every other job one bootstrap sample of it: the
spread of the coefficients gives their confidence intervals, and how often one is not zero tells
whether the lasso would choose it again.
"""

from __future__ import annotations

import argparse
import csv
from typing import Any

import hpcbatch as hb

SAMPLES = 1000
LEVEL = 95  # per cent, of the intervals
CHUNK = 25  # jobs that one element runs, one after another
COLUMNS = ("measurement", "coefficient", "low", "high", "chosen")

Row = dict[str, Any]


def fit(sample: int) -> list[float]:
    """Coefficients of the lasso on bootstrap sample ``sample``. Runs on a compute node.

    NumPy is seeded for each job, so a job that is run again draws the same sample.
    """
    import numpy as np
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LassoCV

    measurements, progression = load_diabetes(return_X_y=True)
    measurements = measurements / measurements.std(axis=0)
    patients = np.arange(len(progression))
    if sample > 0:
        patients = np.random.choice(patients, len(patients))
    lasso = LassoCV(cv=10, random_state=0).fit(measurements[patients], progression[patients])
    return [float(value) for value in lasso.coef_]


def submit(cluster: str | None, throttle: int | None, samples: int) -> None:
    """Store the study as a task and submit it; nothing is waited for."""
    task = hb.create(fit, sample=range(samples + 1), name="bootstrap", seed=1)
    task.submit(
        cluster, resources={"walltime": "1m", "memory": "2GB"}, chunk=CHUNK, throttle=throttle
    )
    print(task)


def resume(task_id: str) -> None:
    """Submit again only the jobs without a result."""
    task = hb.restore(task_id)
    attempt = task.resubmit(chunk=CHUNK)
    if attempt is None:
        print("Every job has a result: nothing to submit.")
    else:
        print(f"Attempt {attempt.number} has the {len(attempt.plan.jobs)} unfinished jobs.")


def report(task_id: str, output: str) -> None:
    """Wait for what is still running, then tell the result."""
    task = hb.restore(task_id)
    status = task.wait()
    print(task)
    if status.done < len(task):
        raise SystemExit("Some jobs have no result: see `hpcbatch errors last`, then resume.")
    rows = summarise(task.collect())
    print_table(rows)
    write_csv(rows, f"{output}.csv")
    print(f"\nThe table: {output}.csv")
    draw(rows, len(task) - 1, f"{output}.png")


def summarise(coefficients: list[list[float]]) -> list[Row]:
    """One row a measurement, from the fit of the data and those of the bootstrap samples."""
    import numpy as np
    from sklearn.datasets import load_diabetes

    fitted, samples = coefficients[0], np.array(coefficients[1:])
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(samples, [tail, 100 - tail], axis=0)
    chosen = (samples != 0).mean(axis=0)
    # + 0.0 turns -0.0, which the lasso says, into 0.0
    table = zip(load_diabetes().feature_names, fitted, low, high, chosen, strict=True)
    rows = [
        dict(zip(COLUMNS, (row[0], *(float(number) + 0.0 for number in row[1:])), strict=True))
        for row in table
    ]
    return sorted(rows, key=lambda row: -abs(row["coefficient"]))


def print_table(rows: list[Row]) -> None:
    print(f"\n{'measurement':<13}{'coefficient':>12}{f'{LEVEL} % interval':>20}{'chosen':>9}")
    for row in rows:
        interval = f"{row['low']:.1f} to {row['high']:.1f}"
        print(
            f"{row['measurement']:<13}{row['coefficient']:>12.1f}{interval:>20}"
            f"{100 * row['chosen']:>7.0f} %"
        )


def write_csv(rows: list[Row], path: str) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def draw(rows: list[Row], samples: int, path: str) -> None:
    """Coefficients with their intervals, dark where the lasso chooses them often."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("For the picture: pip install matplotlib")
        return
    figure: Any = Figure(figsize=(7.5, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="0.7", linewidth=0.8)
    places = range(len(rows), 0, -1)
    axes.hlines(
        places, [r["low"] for r in rows], [r["high"] for r in rows], color="0.65", linewidth=2
    )
    dots = axes.scatter(
        [row["coefficient"] for row in rows],
        places,
        c=[100 * row["chosen"] for row in rows],
        cmap="viridis_r",
        vmin=0,
        vmax=100,
        s=60,
        zorder=3,
    )
    axes.set_yticks(places, [row["measurement"] for row in rows])
    axes.set_xlabel(f"change of the outcome per standard deviation, {LEVEL} % interval")
    axes.set_title(
        f"Lasso on the diabetes data, {samples} bootstrap samples", loc="left", fontsize=10
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.colorbar(dots, ax=axes, pad=0.02).set_label("chosen by the lasso, % of samples")
    figure.savefig(path)
    print(f"The picture: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("submit", help="store the study and submit it")
    first.add_argument("--cluster", help="such as sge, slurm, local")
    first.add_argument("--throttle", type=int, help="at most so many elements at once")
    first.add_argument("--samples", type=int, default=SAMPLES, help="bootstrap samples")
    for name, told in (
        ("resume", "submit again what is unfinished"),
        ("report", "wait, and tell the result"),
    ):
        step = steps.add_parser(name, help=told)
        step.add_argument("--task", default="last", help="the task's id")
    step.add_argument("--output", default="bootstrap", help="beginning of the files' names")
    asked = parser.parse_args()
    if asked.step == "submit":
        submit(asked.cluster, asked.throttle, asked.samples)
    elif asked.step == "resume":
        resume(asked.task)
    else:
        report(asked.task, asked.output)


if __name__ == "__main__":
    main()
