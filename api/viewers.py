"""Who asks. Nobody needs to say so yet: every request is anonymous."""

from layers.access import ANONYMOUS, Viewer


def current_viewer() -> Viewer:
    """Return the viewer of a request."""
    return ANONYMOUS
