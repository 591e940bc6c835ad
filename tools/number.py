"""A number and the digits it was given with: a table's 90.00 says more than 90.0."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ValidatorFunctionWrapHandler, WrapValidator


class Number(float):
    """A float that remembers how it was written."""

    text: str

    @classmethod
    def of(cls, value: float, text: str) -> Number:
        """The number `value`, written as `text`."""
        number = cls(value)
        number.text = text
        return number


def digits(value: float) -> str:
    """A value with the digits it was given with; one after the point, where they aren't known."""
    return value.text if isinstance(value, Number) else str(float(value))


def _keep_the_digits(value: Any, validate: ValidatorFunctionWrapHandler) -> float:
    validated = validate(value)
    if isinstance(value, Number):
        return value
    return Number.of(validated, str(value)) if isinstance(value, int) else validated


Value = Annotated[float, WrapValidator(_keep_the_digits)]
"""A measured value: pydantic would make a plain float of it."""
