"""What a layer checks its surveys for: the entries of ``checks:`` in its definition.

A check names a kind (``etl/check_kinds/NAME.py``) and gives its parameters under ``with``; the kind
reads those, since only it knows them. The layer itself says what the check is called, how grave a
breach is and which clause asks for it.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class Strict(BaseModel):
    """A model that refuses unknown keys and is never changed after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Bilingual(Strict):
    """A text that people see, in Chinese and English."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Severity(StrEnum):
    """What becomes of a row that breaks a check."""

    #: It is refused and kept in quarantine.
    ERROR = "error"
    #: It is taken, and counted in the report.
    WARNING = "warning"


class CheckDefinition(Strict):
    """One check of a layer."""

    #: The rule's name in reports and in quarantine.
    name: Identifier
    #: The kind of check.
    rule: Identifier
    title: Bilingual
    severity: Severity = Severity.ERROR
    #: The standard and clause that ask for it.
    source: str = Field(min_length=1)
    #: A condition on the fields; rows for which it does not hold are not looked at.
    when: str | None = None
    #: Whether it is done where a mapping does not say otherwise.
    enabled: bool = True
    #: The kind's own parameters.
    parameters: dict[str, Any] = Field(default_factory=dict, alias="with")
