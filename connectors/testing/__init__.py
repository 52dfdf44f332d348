"""The kit for an author's own tests: one line each that holds a connector to its contract and crashes it.

def test_news_conforms() -> None:
    check_connector(News, items=[{"id": "1", …}], settings={"base_url": "https://news.example.com"})

def test_news_survives_crashes() -> None:
    check_crashes(News, upstream=Scripted({"/articles": {"articles": […]}}))
"""

from connectors.testing.conformance import ConformanceError, check_connector
from connectors.testing.crashes import UncheckedError, check_crashes
from connectors.testing.scripted import Answer, Scripted

__all__ = ["Answer", "ConformanceError", "Scripted", "UncheckedError", "check_connector", "check_crashes"]
