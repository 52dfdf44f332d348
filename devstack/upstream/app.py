"""The stand-in's HTTP side: `/v1/forecast`, `/v1/archive` in Open-Meteo's shape, and `/faults`."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from devstack.upstream.errors import BadRequestError
from devstack.upstream.faults import Faults
from devstack.upstream.request import WeatherRequest, parse_request
from devstack.upstream.units import VARIABLES
from devstack.upstream.weather import Place, nearest


def create_app(
    places: Sequence[Place],
    faults: Faults,
    *,
    today: Callable[[], date] = lambda: datetime.now(UTC).date(),
) -> FastAPI:
    """Return the application. Both paths answer from the same observations; the archive insists on dates."""
    app = FastAPI(title="Stand-in for Open-Meteo", openapi_url=None)

    def answer(request: Request, *, dates_required: bool) -> Response:
        if refusal := faults.next():
            headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
            return _json(_error(refusal.reason), refusal.status, headers)
        started = time.perf_counter()
        parameters = {name: request.query_params.getlist(name) for name in request.query_params}
        try:
            wanted = parse_request(parameters, today=today(), dates_required=dates_required)
        except BadRequestError as exc:
            return _json(_error(str(exc)), 400)
        return _json(_answer(places, wanted, started))

    @app.get("/v1/forecast")
    def forecast(request: Request) -> Response:
        return answer(request, dates_required=False)

    @app.get("/v1/archive")
    def archive(request: Request) -> Response:
        return answer(request, dates_required=True)

    @app.get("/faults")
    def counts() -> Response:
        return _json(faults.counts())

    return app


def forecast_at(place: Place, wanted: WeatherRequest) -> dict[str, Any]:
    """Return Open-Meteo's object for one place, without generation time and location id."""
    result: dict[str, Any] = {
        "latitude": place.latitude,
        "longitude": place.longitude,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": place.elevation,
    }
    if not wanted.hourly:
        return result
    rows = place.between(wanted.start, wanted.end)
    hours = place.hours[rows]
    labels = {"time": "unixtime" if wanted.unixtime else "iso8601"}
    columns: dict[str, Any] = {"time": hours if wanted.unixtime else [_iso(hour) for hour in hours]}
    for name in wanted.hourly:
        variable = VARIABLES[name]
        unit = variable.unit(wanted.units.get(variable.parameter or ""))
        labels[name] = unit.label
        columns[name] = unit.values(place.columns[variable.column][rows])
    return {**result, "hourly_units": labels, "hourly": columns}


def _answer(places: Sequence[Place], wanted: WeatherRequest, started: float) -> Any:
    found = [forecast_at(nearest(places, *location), wanted) for location in wanted.locations]
    elapsed = (time.perf_counter() - started) * 1000
    for number, result in enumerate(found):
        result["generationtime_ms"] = elapsed
        # As the original: the first of several places has no id.
        if number:
            result["location_id"] = number
    return found if len(found) > 1 else found[0]


def _iso(hour: int) -> str:
    return datetime.fromtimestamp(hour, UTC).strftime("%Y-%m-%dT%H:%M")


def _error(reason: str) -> dict[str, Any]:
    return {"error": True, "reason": reason}


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")
