from hypothesis import given
from hypothesis import strategies as st

from consumer import sql


def test_an_identifier_cannot_end_its_own_quoting() -> None:
    assert sql.identifier("a`b\\") == "`a\\`b\\\\`"
    assert sql.qualified("d", "weather`; DROP TABLE x") == "`d`.`weather\\`; DROP TABLE x`"


def test_a_text_cannot_end_its_own_quoting() -> None:
    assert sql.text("it's \\") == "'it\\'s \\\\'"


def test_half_a_surrogate_pair_has_no_utf8_form() -> None:
    sql.identifier("\ud800").encode()


@given(st.text())
def test_no_quote_stands_unescaped_inside(name: str) -> None:
    for quoted, quote in ((sql.identifier(name), "`"), (sql.text(name), "'")):
        inside = quoted[1:-1]
        plain = inside.replace("\\\\", "").replace(f"\\{quote}", "")
        assert quote not in plain
        assert not plain.endswith("\\")
