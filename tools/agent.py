"""How Finch's tools introduce themselves to servers."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path


@cache
def user_agent(repository: str, email: str | None = None) -> str:
    """The project's name and version, where it lives, and who can be written to."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"Finch/{project['version']} ({repository}{f'; mailto:{email}' if email else ''})"
