"""Findings of checks that look at a whole survey."""

from dataclasses import dataclass

from layers.survey_view import SurveyView

__all__ = ["Finding", "SurveyView"]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a survey."""

    #: The row of the file; ``None`` where the survey as a whole is meant (never refused).
    source_row: int | None
    #: What is wrong, in one sentence.
    message: str
