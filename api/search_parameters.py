"""Values of parameters that the searches for records and scenes share."""

import math
import re

from api.errors import InvalidParameter
from layers.feature_query import BBox

DEFAULT_LIMIT = 10
MAX_LIMIT = 1_000
#: Names in one list.
MOST_NAMES = 1_000
_WHOLE = re.compile(r"\+?[0-9]{1,18}")


def whole_number(name: str, text: str, *, least: int, most: int) -> int:
    """Read a whole number; one above ``most`` counts as ``most``.

    Raises:
        InvalidParameter: If it is none, or below ``least``.
    """
    if not _WHOLE.fullmatch(text) or int(text) < least:
        raise InvalidParameter(f"{name}: '{text}' is not a whole number from {least} to {most}")
    return min(int(text), most)


def names(name: str, text: str) -> tuple[str, ...]:
    """Read names with commas between.

    Raises:
        InvalidParameter: If there are too many.
    """
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if len(found) > MOST_NAMES:
        raise InvalidParameter(f"{name}: more than {MOST_NAMES} values")
    return found


def box(name: str, text: str) -> BBox:
    """Read a box: west, south, east, north in degrees; one with west > east spans 180°.

    Raises:
        InvalidParameter: If it is none.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidParameter(f"{name}: '{text}' is not numbers with commas between") from error
    return box_of(name, numbers)


def box_of(name: str, numbers: list[float]) -> BBox:
    """Return the box that four numbers are, or six with the heights, which do not count.

    Raises:
        InvalidParameter: If they are none.
    """
    if len(numbers) == 6:
        if numbers[2] > numbers[5]:
            raise InvalidParameter(f"{name}: its lowest height is above its highest")
        numbers = [*numbers[0:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise InvalidParameter(f"{name}: takes four or six finite numbers")
    west, south, east, north = numbers
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise InvalidParameter(f"{name}: longitudes must be from -180 to 180 degrees")
    if not -90 <= south <= north <= 90:
        raise InvalidParameter(f"{name}: latitudes must be from -90 to 90 degrees, the lower first")
    return (west, south, east, north)
