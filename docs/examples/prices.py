import httpx
from pydantic import AwareDatetime, BaseModel, HttpUrl

from connectors import BaseConnector, json_of, resilient_request


class Prices(BaseConnector):
    name = "prices"

    class Record(BaseModel):
        sku: str
        cents: int
        at: AwareDatetime

    class Settings(BaseModel):
        url: HttpUrl

    def extract(self, since=None):
        yield from self.fetch()

    @resilient_request
    def fetch(self):
        return json_of(httpx.get(str(self.settings.url)))
