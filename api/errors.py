"""Errors of requests, beside those of the layers below."""

from layers.errors import OneMapError


class UnknownParameter(OneMapError):
    """The address has a query parameter that the resource does not know."""


class InvalidParameter(OneMapError):
    """A parameter's value cannot be used; the message names the parameter."""


class UnknownResource(OneMapError):
    """Nothing is at that address."""


class NotBuilt(OneMapError):
    """A part of the service was not built on this machine."""


class NotAuthenticated(OneMapError):
    """Writing needs a token, and none or a wrong one came."""


class UnusableRequest(OneMapError):
    """What the request asks for can be read, but not be done."""


class UnsupportedContent(OneMapError):
    """The body is of a type that the resource does not take."""


class ContentTooLarge(OneMapError):
    """The body is larger than the service takes."""


class StorageFull(OneMapError):
    """The service has no room for what was sent."""


class TooManyFeatures(OneMapError):
    """An export would be larger than the service, or the format, allows."""


class ExportsBusy(OneMapError):
    """As many exports are being written or sent as may be at once."""


class ExportFailed(OneMapError):
    """A file could not be written; the log says why."""


class UnreadableBody(OneMapError):
    """The body is not what its media type says."""


class PreconditionRequired(OneMapError):
    """The request must say which version of the feature it was made for."""
