"""Which content coding a tile is sent in (RFC 9110, section 12.5.3)."""

from collections.abc import Sequence

IDENTITY = b"identity"


def codings_wanted(accept_encoding: bytes | None, offered: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the codings that a client takes, the best first; ``identity`` stands at the end.

    Args:
        accept_encoding: The header's value; none means that nothing is said.
        offered: The codings there are, the one preferred by the server first.
    """
    if not accept_encoding:
        return (IDENTITY,)
    weights: dict[bytes, float] = {}
    for part in accept_encoding.lower().split(b","):
        coding, _, parameters = part.partition(b";")
        weights[coding.strip()] = _weight(parameters)
    rest = weights.get(b"*", 0.0)
    ranked = [(weights.get(coding, rest), coding) for coding in offered]
    # Sorting is stable: equal weights leave the server's order.
    taken = sorted((entry for entry in ranked if entry[0] > 0), key=lambda entry: -entry[0])
    return (*(coding for _, coding in taken), IDENTITY)


def _weight(parameters: bytes) -> float:
    name, _, value = parameters.strip().partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
