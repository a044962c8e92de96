"""Who serves what: the first sections of every capabilities document."""

from xml.etree import ElementTree as ET

from api.about import TITLE
from api.ows.xml import element


def identify(root: ET.Element, *, kind: str, version: str, abstract: str) -> None:
    """Add the identification of the service, and of who provides it.

    Args:
        root: The capabilities.
        kind: The service type, such as ``WFS``.
        version: Its version.
        abstract: What it offers, in Chinese and English.
    """
    about = element(root, "ows:ServiceIdentification")
    element(about, "ows:Title", TITLE)
    element(about, "ows:Abstract", abstract)
    element(about, "ows:ServiceType", kind)
    element(about, "ows:ServiceTypeVersion", version)
    element(about, "ows:Fees", "NONE")
    element(about, "ows:AccessConstraints", "NONE")
    provider = element(root, "ows:ServiceProvider")
    element(provider, "ows:ProviderName", TITLE)
    element(provider, "ows:ServiceContact")


def add_box(parent: ET.Element, box: tuple[float, float, float, float]) -> None:
    """Add where something is: west, south, east, north in degrees."""
    west, south, east, north = box
    told = element(parent, "ows:WGS84BoundingBox")
    element(told, "ows:LowerCorner", f"{west!r} {south!r}")
    element(told, "ows:UpperCorner", f"{east!r} {north!r}")
