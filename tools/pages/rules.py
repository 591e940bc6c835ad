"""The page of rules: what every entry has to keep, made from the checks themselves."""

from __future__ import annotations

from tools.pages.addresses import Page, meta
from tools.problems import LEVELS, RULES


def rules() -> Page:
    """All rules by level, each with what is wrong, why it matters and how to mend it."""
    shown = []
    for rule in RULES.values():
        what, _, why = rule.explanation.partition("\n\n")
        shown.append({"id": rule.id, "level": rule.level, "what": what, "why": why, "fix": rule.fix})
    data = {
        "count": len(RULES),
        "meta": meta("Rules", "What every entry of the catalog has to keep, and why.", hide=["navigation"]),
        "levels": [
            (level, meaning, sorted((rule for rule in shown if rule["level"] == level), key=lambda rule: rule["id"]))
            for level, meaning in LEVELS.items()
        ],
    }
    return "rules.md", "rules.md.j2", data
