"""HTTP for authors: a client that stays within the limits of its source, and the reading of quota headers.

from connectors import http_client

with http_client(base_url="https://api.example.com", timeout=10) as client: ...
"""

from connectors.http.client import PATIENCE, http_client
from connectors.http.governing import Lease, Refusal, RequestBudget, governed_by
from connectors.http.quotas import Quota, quotas_of

__all__ = [
    "PATIENCE",
    "Lease",
    "Quota",
    "Refusal",
    "RequestBudget",
    "governed_by",
    "http_client",
    "quotas_of",
]
