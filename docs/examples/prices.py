from pydantic import AwareDatetime, BaseModel, HttpUrl

from connectors import BaseConnector, http_client, json_of, resilient_request


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
        with http_client() as client:
            return json_of(client.get(str(self.settings.url)))
