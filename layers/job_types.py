"""What is said of jobs, apart from the queue's library, which loads outside it do not need."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobOfLoad:
    """A job that was picked."""

    job_id: int
    load_id: int


@dataclass(frozen=True, slots=True)
class Again:
    """The job is to be given back to the queue."""

    #: After how many seconds.
    delay_s: float
    reason: str
