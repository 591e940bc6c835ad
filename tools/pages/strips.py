"""A claim beside what others got, as a line of dots."""

from __future__ import annotations

from typing import Any

from tools.number import digits
from tools.protocols import differences, facts
from tools.schema import Paper, Result

WIDTH, MARGIN = 132, 8


def strip(paper: Paper, result: Result) -> dict[str, Any] | None:
    """The values of runs on the claim's dataset and backbone, those without a known fault; None where there are none."""
    claimed = facts(result)
    runs = [
        (value, run, not differences(claimed, facts(run)))
        for run in paper.reproductions or ()
        if (run.dataset, run.metric, run.labels) == (result.dataset, result.metric, result.labels)
        and (run.backbone is None or result.backbone is None or run.backbone == result.backbone)
        and not run.flaw
        for value in run.runs or [run.value]
    ]
    if not runs:
        return None
    values = [result.value, *(value for value, _, _ in runs)]
    low, high = min(values), max(max(values), min(values) + 0.5)

    def x(value: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low), 1)

    dots = [
        {
            "x": x(value),
            "equal": equal,
            "title": f"{digits(value)} by {run.by}" + ("" if equal else ", under another protocol or one not wholly stated"),
        }
        for value, run, equal in runs
    ]
    return {
        "width": WIDTH,
        "claim": x(result.value),
        "dots": dots,
        "label": f"Others got {', '.join(digits(value) for value, _, _ in runs)}; the claim is {digits(result.value)}",
    }
