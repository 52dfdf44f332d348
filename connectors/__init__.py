"""The authoring room: what one Python file needs to be a source.

    from connectors import BaseConnector, resilient_request

Discovery is in `connectors.registry`, the check for an author's tests in `connectors.testing`. Running a
source, its cursor and its topic are the producer's. docs/authors.md walks through all of it.
"""

from connectors.base import BaseConnector, NoSettings
from connectors.checkpoint import Checkpoint
from connectors.errors import (
    ConnectorError,
    MissingPackageError,
    QuotaExhaustedError,
    UpstreamError,
    UpstreamFormatError,
    UpstreamRefusedError,
)
from connectors.http.client import http_client
from connectors.resilience import resilient_request
from connectors.responses import json_of
from connectors.schedule import cron, every

__all__ = [
    "BaseConnector",
    "Checkpoint",
    "ConnectorError",
    "MissingPackageError",
    "NoSettings",
    "QuotaExhaustedError",
    "UpstreamError",
    "UpstreamFormatError",
    "UpstreamRefusedError",
    "cron",
    "every",
    "http_client",
    "json_of",
    "resilient_request",
]
