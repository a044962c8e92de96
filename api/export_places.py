"""How many exports a server process has on their way."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import ExportsBusy


class ExportPlaces:
    """How many exports one server process writes or sends at once."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            ExportsBusy: If there is none.
        """
        if self._taken >= self._places:
            raise ExportsBusy(f"{self._places} exports are on their way already: try again soon")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
