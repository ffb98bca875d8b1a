"""Which support vector machine reads scikit-learn's handwritten digits best?

    python digits_study.py submit --cluster slurm    # on the login node; returns at once
    python digits_study.py resume                    # submits what was cancelled or lost
    python digits_study.py report                    # table, CSV file and picture

One job cross-validates one combination of kernel, C and gamma.
"""

from __future__ import annotations

import argparse
import csv
from typing import Any

import hpcbatch as hb

KERNELS = ["rbf", "poly", "sigmoid"]
C = [0.01, 0.1, 1.0, 10.0, 100.0]
GAMMA = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
CHUNK = 3  # jobs that one element runs, one after another
COLUMNS = ("kernel", "C", "gamma", "accuracy", "spread", "seconds")

Score = dict[str, Any]


def score(kernel: str, C: float, gamma: float, folds: int) -> Score:
    """Accuracy in ``folds``-fold cross-validation. Runs on a compute node."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold, cross_validate
    from sklearn.svm import SVC

    pixels, digits = load_digits(return_X_y=True)
    splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    told = cross_validate(SVC(C=C, kernel=kernel, gamma=gamma), pixels / 16, digits, cv=splits)
    return {
        "kernel": kernel,
        "C": C,
        "gamma": gamma,
        "accuracy": round(float(told["test_score"].mean()), 5),
        "spread": round(float(told["test_score"].std()), 5),
        "seconds": round(float(told["fit_time"].sum() + told["score_time"].sum()), 3),
    }


def submit(cluster: str | None, throttle: int | None, tiny: bool) -> None:
    """Store the study as a task and submit it; nothing is waited for."""
    if tiny:
        columns = hb.grid(kernel=KERNELS[:2], C=C[2:4], gamma=GAMMA[2:4])
    else:
        columns = hb.grid(kernel=KERNELS, C=C, gamma=GAMMA)
    task = hb.create(score, **columns, const={"folds": 3 if tiny else 5}, name="digits")
    task.submit(
        cluster, resources={"walltime": "5m", "memory": "1GB"}, chunk=CHUNK, throttle=throttle
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
    task.wait()
    print(task)
    scores = task.collect(on_error="skip")
    write_csv(scores, f"{output}.csv")
    print_best(scores)
    print(f"\nAll {len(scores)} scores: {output}.csv")
    draw(scores, f"{output}.png")


def print_best(scores: list[Score], most: int = 10) -> None:
    print(f"\n{'kernel':<10}{'C':>8}{'gamma':>9}{'accuracy':>18}{'seconds':>9}")
    for row in sorted(scores, key=lambda row: -row["accuracy"])[:most]:
        accuracy = f"{row['accuracy']:.4f} ± {row['spread']:.4f}"
        print(
            f"{row['kernel']:<10}{row['C']:>8g}{row['gamma']:>9g}{accuracy:>18}"
            f"{row['seconds']:>9.2f}"
        )


def write_csv(scores: list[Score], path: str) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(scores)


def draw(scores: list[Score], path: str) -> None:
    """One map of accuracy over C and gamma for each kernel."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("For the picture: pip install matplotlib")
        return
    kernels = list(dict.fromkeys(row["kernel"] for row in scores))
    figure: Any = Figure(figsize=(3.2 * len(kernels) + 1, 3.6), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(kernels), sharey=True, squeeze=False)[0]
    for axes, kernel in zip(panels, kernels, strict=True):
        image = draw_map(axes, [row for row in scores if row["kernel"] == kernel])
        axes.set_title(kernel, fontsize=10)
    panels[0].set_ylabel("C")
    bar = figure.colorbar(image, ax=panels, pad=0.02)
    bar.set_label("cross-validated accuracy", fontsize=9)
    figure.savefig(path)
    print(f"The picture: {path}")


def draw_map(axes: Any, scores: list[Score]) -> Any:
    found = {(row["C"], row["gamma"]): row["accuracy"] for row in scores}
    rows, columns = (sorted({key[k] for key in found}) for k in (0, 1))
    values = [[found.get((c, gamma), float("nan")) for gamma in columns] for c in rows]
    image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=1)
    best = max(found, key=lambda key: found[key])
    for y, c in enumerate(rows):
        for x, gamma in enumerate(columns):
            if (c, gamma) in found:
                value = found[c, gamma]
                axes.text(
                    x,
                    y,
                    f"{value:.3f}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color="black" if value > 0.6 else "white",
                    fontweight="bold" if (c, gamma) == best else "normal",
                )
    axes.set_xticks(range(len(columns)), [f"{gamma:g}" for gamma in columns], fontsize=7)
    axes.set_yticks(range(len(rows)), [f"{c:g}" for c in rows], fontsize=7)
    axes.set_xlabel("gamma")
    axes.spines[:].set_visible(False)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("submit", help="store the study and submit it")
    first.add_argument("--cluster", help="such as slurm, sge, local")
    first.add_argument("--throttle", type=int, help="at most so many elements at once")
    first.add_argument("--tiny", action="store_true", help="8 jobs instead of 90")
    for name, told in (
        ("resume", "submit again what is unfinished"),
        ("report", "wait, and tell the result"),
    ):
        step = steps.add_parser(name, help=told)
        step.add_argument("--task", default="last", help="the task's id")
    step.add_argument("--output", default="digits", help="beginning of the files' names")
    asked = parser.parse_args()
    if asked.step == "submit":
        submit(asked.cluster, asked.throttle, asked.tiny)
    elif asked.step == "resume":
        resume(asked.task)
    else:
        report(asked.task, asked.output)


if __name__ == "__main__":
    main()
