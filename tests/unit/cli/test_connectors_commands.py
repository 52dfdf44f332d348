"""`ingest connectors` and `ingest schemas show`: what is there, is it right, what would it publish."""

import json
from pathlib import Path

import pytest

from runtime.exit_codes import ExitCode
from tests.unit.cli.conftest import Ingest

ODD = """from pydantic import BaseModel
from connectors import BaseConnector
class Odd(BaseConnector):
    name = "odd"
    class Record(BaseModel):
        id: int
    def extract(self, since=None):
        {body}
{more}"""


def test_list_shows_what_runs_what_waits_and_what_is_broken(ingest: Ingest, folder: Path) -> None:
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    (folder / "odd.py").write_text(ODD.format(body="yield 1", more="").replace("class Record", "class Row"))
    rows = {row["origin"]: row for row in json.loads(ingest("connectors", "list", "--json").out)}
    assert len({tuple(row) for row in rows.values()}) == 1  # a script finds the same keys in each
    assert rows[str(folder / "prices.py")]["state"] == "unknown"
    assert rows[str(folder / "prices.py")]["schedule"] == "every 1h"
    broken = rows[f"{folder / 'broken.py'}:1"]
    assert broken["state"] == "quarantined"
    assert "nothing_of_this_name" in broken["detail"]
    assert next(row["detail"] for row in rows.values() if row["state"] == "not configured").endswith(
        "(for example https://news.example.com/v1)"
    )
    table = ingest("connectors", "list").out
    assert "prices  " in table
    assert "Odd declares no `Record` that is a pydantic model. Add to the class: …" in table
    assert len(table.splitlines()) == 1 + len(rows)


def test_check_of_all_is_content_without_faults(ingest: Ingest, folder: Path) -> None:
    result = ingest("connectors", "check")
    assert result.code == ExitCode.OK
    assert "prices: ok" in result.out
    assert "news is not configured" in result.err


def test_check_ends_with_3_for_a_broken_file_and_names_it(ingest: Ingest, folder: Path) -> None:
    (folder / "broken.py").write_text("x = (\n")
    result = ingest("connectors", "check", "--json")
    assert result.code == ExitCode.CONFIG
    report = json.loads(result.out)
    assert report["ok"] is False
    assert "prices" in report["checked"]
    assert list(report["faults"]) == [str(folder / "broken.py")]
    assert f"{folder / 'broken.py'}:1" in result.err


def test_settings_and_skips_of_unknown_sources_are_faults_for_both_checks(
    ingest: Ingest, folder: Path
) -> None:
    unknown = {"INGEST_SOURCES__PRIZES__URL": "x", "INGEST_CONNECTORS__SKIP": "fligths"}
    result = ingest("connectors", "check", "--json", **unknown)
    assert result.code == ExitCode.CONFIG
    faults = json.loads(result.out)["faults"]
    assert faults["INGEST_SOURCES__PRIZES"].endswith("did you mean 'prices'?")
    assert faults["INGEST_CONNECTORS__SKIP"].endswith("did you mean 'flights'?")
    assert ingest("config", "check").code == ExitCode.CONFIG
    assert ingest("connectors", "check", "prices").code == ExitCode.OK


@pytest.mark.parametrize("command", [("connectors", "check"), ("connectors", "try"), ("run",)])
def test_a_source_that_was_set_aside_is_told_as_such_by_its_name(
    ingest: Ingest, folder: Path, command: tuple[str, ...]
) -> None:
    text = ODD.format(body="yield 1", more="").replace("class Record", "class Row")
    (folder / "miscs.py").write_text(text)
    result = ingest(*command, "odd")
    assert result.code == ExitCode.CONFIG
    assert f"source 'odd' cannot run: {folder / 'miscs.py'}:3: Odd declares no `Record`" in result.err
    assert "unknown source" not in result.err
    assert "did you mean" not in result.err


def test_check_names_every_fault_of_a_file(ingest: Ingest, folder: Path) -> None:
    text = ODD.format(body="yield 1", more="    key = 5\n")
    (folder / "odd.py").write_text(text + text.replace("Odd", "Worse").replace("key = 5", "sort = 6"))
    result = ingest("connectors", "check")
    assert "Odd.key = 5 does not name a field" in result.err
    assert "Worse.sort = 6 does not name a field" in result.err


def test_check_ends_with_3_for_an_unknown_name_and_for_wrong_settings(ingest: Ingest, folder: Path) -> None:
    unknown = ingest("connectors", "check", "price")
    assert unknown.code == ExitCode.CONFIG
    assert "did you mean 'prices'?" in unknown.err
    wrong = ingest("connectors", "check", "prices", INGEST_SOURCES__PRICES__ROWS="many")
    assert wrong.code == ExitCode.CONFIG
    assert "INGEST_SOURCES__PRICES__ROWS" in wrong.err


def test_try_shows_records_and_stops_at_the_limit(ingest: Ingest, folder: Path) -> None:
    result = ingest("connectors", "try", "prices", "--limit", "2", "--since", "1")
    assert result.code == ExitCode.OK, result.err
    assert [line.split()[0] for line in result.out.splitlines()] == ["1", "2"]
    assert "price double?" in result.err
    assert "2 records for topic ingest.prices; published nothing" in result.err
    assert "cursor after these: 2" in result.err


def test_try_tells_what_would_be_rejected_and_ends_with_6(ingest: Ingest, folder: Path) -> None:
    result = ingest("connectors", "try", "prices", "--json")
    assert result.code == ExitCode.DEAD_LETTERS
    trial = json.loads(result.out)
    assert [record["id"] for record in trial["records"]] == ["0", "1", "2", "4", "5", "6", "7", "8", "9"]
    assert trial["rejected"][0]["item"] == {"id": 3, "price": "much"}
    assert "price" in trial["rejected"][0]["reason"]
    assert trial["schema"]["namespace"] == "ingest.prices"


def test_try_shows_what_came_before_an_error(ingest: Ingest, folder: Path) -> None:
    (folder / "odd.py").write_text(ODD.format(body="yield {'id': 5}; raise KeyError('next')", more=""))
    result = ingest("connectors", "try", "odd")
    assert result.code == ExitCode.ERROR
    assert '{"id": 5}' in result.out
    assert "1 records for topic ingest.odd" in result.err
    assert "after 1 items: KeyError: 'next'" in result.err
    told = json.loads(ingest("connectors", "try", "odd", "--json").out)
    assert (told["ok"], told["came"]["records"][0]["payload"]) == (False, {"id": 5})


def test_try_lists_the_requests_without_their_parameters(ingest: Ingest, folder: Path) -> None:
    (folder / "pages.py").write_text(
        "import httpx\nfrom pydantic import BaseModel\nfrom connectors import BaseConnector\n"
        "class Pages(BaseConnector):\n"
        "    name = 'pages'\n"
        "    class Record(BaseModel):\n        id: int\n"
        "    def extract(self, since=None):\n"
        "        answer = lambda request: httpx.Response(200, json=[{'id': 1}])\n"
        "        with httpx.Client(transport=httpx.MockTransport(answer)) as client:\n"
        "            yield from client.get('http://h/things?apikey=hunter2').json()\n"
    )
    result = ingest("connectors", "try", "pages", "--json")
    assert json.loads(result.out)["requests"] == ["GET http://h/things?… 200 OK"]
    assert "hunter2" not in result.out + result.err


def test_an_error_of_the_authors_code_is_told_as_such(ingest: Ingest, folder: Path) -> None:
    (folder / "fails.py").write_text(
        "from pydantic import BaseModel\nfrom connectors import BaseConnector\n"
        "class Fails(BaseConnector):\n"
        "    name = 'fails'\n"
        "    class Record(BaseModel):\n        id: int\n"
        "    def extract(self, since=None):\n"
        "        yield {'id': 1}\n"
        "        raise KeyError('answer')\n"
    )
    result = ingest("connectors", "try", "fails")
    assert result.code == ExitCode.ERROR
    assert "source fails, after 1 items: KeyError: 'answer'" in result.err
    assert f"{folder / 'fails.py'}:9" in result.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "after 0 items: TypeError: extract must yield its items one by one"),
        ("raise KeyError('answer')", "after 0 items: KeyError: 'answer'"),
        ("yield {'id': 1}; exit(0)", "after 1 items: SystemExit(0) would end the program"),
    ],
)
def test_an_extract_that_gives_nothing_or_exits_is_told_as_such(
    ingest: Ingest, folder: Path, body: str, said: str
) -> None:
    (folder / "odd.py").write_text(ODD.format(body=body, more=""))
    result = ingest("connectors", "try", "odd")
    assert result.code == ExitCode.ERROR
    assert said in result.err
    assert "fault of ours" not in result.err


def test_a_transform_that_exits_does_not_end_the_command_well(ingest: Ingest, folder: Path) -> None:
    more = "    def transform(self, item):\n        exit(0)\n"
    (folder / "odd.py").write_text(ODD.format(body="yield {'id': 1}", more=more))
    result = ingest("connectors", "try", "odd")
    assert result.code == ExitCode.ERROR
    assert "source odd, in transform: SystemExit(0)" in result.err


def test_one_constructor_that_fails_does_not_hide_the_others(ingest: Ingest, folder: Path) -> None:
    more = "    def __init__(self, settings=None):\n        raise RuntimeError('no')\n"
    (folder / "odd.py").write_text(ODD.format(body="yield {'id': 1}", more=more))
    result = ingest("connectors", "check")
    assert result.code == ExitCode.CONFIG
    assert "odd: FAULT" in result.out
    assert "prices: ok" in result.out
    assert f"{folder / 'odd.py'}:3: Odd cannot be built: RuntimeError: no" in result.err


def test_skipped_sources_are_shown_as_skipped(ingest: Ingest, folder: Path) -> None:
    skip = {"INGEST_CONNECTORS__SKIP": "prices,news,gone"}
    rows = {row["source"]: row for row in json.loads(ingest("connectors", "list", "--json", **skip).out)}
    assert {name: row["state"] for name, row in rows.items()} == {
        "flights": "unknown",
        "news": "skipped",
        "prices": "skipped",
        "weather": "unknown",
    }
    assert "INGEST_CONNECTORS__SKIP" in rows["prices"]["detail"]
    checked = ingest("connectors", "check")
    assert "prices: skipped (the producer does not run it: INGEST_CONNECTORS__SKIP names it)" in checked.out
    assert "INGEST_CONNECTORS__SKIP: no source is called 'gone'; there are: " in checked.err
    report = json.loads(ingest("connectors", "check", "--json").out)
    assert (report["skipped"], report["not_configured"]) == (["prices", "news"], [])
    assert "prices" not in report["checked"]
    tried = ingest("connectors", "try", "prices", "--limit", "1")
    assert tried.code == ExitCode.OK
    assert "prices is skipped" in tried.err


def test_a_secret_in_an_error_of_the_client_is_not_shown(ingest: Ingest, folder: Path) -> None:
    (folder / "odd.py").write_text(
        ODD.format(
            body="raise RuntimeError(f'Illegal header value {self.settings.token!r}')",
            more="    class Settings(BaseModel):\n        token: str\n",
        )
    )
    for arguments in (["connectors", "try", "odd"], ["--debug", "connectors", "try", "odd"]):
        result = ingest(*arguments, INGEST_SOURCES__ODD__TOKEN="hunter2\nx")
        assert "Illegal header value" in result.err
        assert "hunter2" not in result.out + result.err


def test_schemas_show_prints_the_avro_schema(ingest: Ingest, folder: Path) -> None:
    result = ingest("schemas", "show", "prices", INGEST_TOPIC_PREFIX="acme")
    schema = json.loads(result.out)
    assert schema["namespace"] == "acme.prices"
    assert [field["name"] for field in schema["fields"]][-2:] == ["id", "price"]
    assert ingest("schemas", "show", "nothing").code == ExitCode.CONFIG
