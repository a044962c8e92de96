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
