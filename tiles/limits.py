"""How much of each layer a tile keeps, where it cannot keep everything."""

from collections.abc import Sequence

#: The important features are mostly the large ones, so bytes shrink slower than features; and
#: from one try to the next it gets tighter.
_HASTE = (0.9, 0.7, 0.4)
#: After so many tries a tile stays as it is.
MOST_TRIES = len(_HASTE)


def fair_shares(wanted: Sequence[int], total: int) -> list[int]:
    """Return what each gets of a total: little wishes whole, the others alike.

    Args:
        wanted: What each would like to have.
        total: What there is.
    """
    shares = list(wanted)
    left = total
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    for position, place in enumerate(order):
        shares[place] = min(wanted[place], left // (len(order) - position))
        left -= shares[place]
    return shares


def features_to_keep(
    shown: Sequence[int], sizes: Sequence[int], most_features: int, most_bytes: int, attempt: int
) -> list[int]:
    """Return how many features of each layer to keep in the next try.

    Args:
        shown: Features of each layer in this try.
        sizes: Bytes of each layer in this try.
        most_features: The limit of a tile.
        most_bytes: The limit of a tile.
        attempt: How many tries there were with fewer features, from 0.
    """
    keep = fair_shares(shown, most_features)
    # With more features than the limit, the first try holds any of them: their bytes tell nothing
    # that the next rendering of the same tile would tell, too.
    is_any = attempt == 0 and sum(shown) > most_features
    if is_any or sum(sizes) <= most_bytes:
        return keep
    allowed = fair_shares(sizes, most_bytes)
    return [
        count if size <= room else min(count, int(number * room / size * _HASTE[attempt]))
        for count, number, size, room in zip(keep, shown, sizes, allowed, strict=True)
    ]
