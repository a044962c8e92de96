"""Who asks: nobody needs to say so; whoever bears the service's token is an operator."""

from layers.access import ANONYMOUS, Viewer

#: Sees what refused rows hold, beside what everyone sees.
OPERATOR = Viewer("operator", frozenset({"operator"}))


def current_viewer(*, shows_token: bool = False) -> Viewer:
    """Return the viewer of a request.

    Args:
        shows_token: Whether the request bears the token that lets it write, too.
    """
    return OPERATOR if shows_token else ANONYMOUS
