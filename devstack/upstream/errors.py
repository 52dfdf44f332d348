"""What the stand-in answers instead of weather.

UpstreamError
├── BadRequestError     the request must change (HTTP 400)
└── MissingDataError    the weather file is not installed: the server does not start
"""


class UpstreamError(Exception):
    """Root of the stand-in's errors."""


class BadRequestError(UpstreamError):
    """The request cannot be answered as it is; the text is Open-Meteo's `reason`."""


class MissingDataError(UpstreamError):
    """The weather file is not installed."""
