"""Tokens are found where ClickHouse finds them, whatever the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.clickhouse.lexer import Kind, tokens


def _texts(text: bytes) -> list[bytes]:
    return [token.text for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"SELECT 1", [b"SELECT", b"1"]),
        (b"a -- INSERT\nb", [b"a", b"b"]),
        (b"a // INSERT\nb", [b"a", b"b"]),
        (b"a # INSERT\nb #!x\nc", [b"a", b"b", b"c"]),
        (b"a #b", [b"a", b"#", b"b"]),
        (b"a /* x /* nested */ still comment */ b", [b"a", b"b"]),
        (b"a /* never closed", [b"a"]),
        (b"'it''s \\' one'x", [b"'it''s \\' one'", b"x"]),
        (b"'never closed; INSERT", [b"'never closed; INSERT"]),
        (b"'ends in a backslash\\", [b"'ends in a backslash\\"]),
        (b'"a""b"`c``d`', [b'"a""b"', b"`c``d`"]),
        (b"$$a; $x$ b$$ c", [b"$$a; $x$ b$$", b"c"]),
        (b"$tag$ ; $$ ; $tag$;", [b"$tag$ ; $$ ; $tag$", b";"]),
        (b"\xe2\x80\x98a;b\xe2\x80\x99;", [b"\xe2\x80\x98a;b\xe2\x80\x99", b";"]),
        (b"x.y=1.5e3", [b"x", b".", b"y", b"=", b"1", b".", b"5e3"]),
    ],
)
def test_text_is_split_as_the_server_splits_it(text: bytes, expected: list[bytes]) -> None:
    assert _texts(text) == expected


def test_a_quoted_word_is_a_name_and_no_keyword() -> None:
    plain, quoted, string = tokens(b"format `format` 'format'")

    assert plain.is_word(b"FORMAT")
    assert not quoted.is_word(b"FORMAT")
    assert (plain.name, quoted.name, string.name) == (b"format", b"format", None)
    assert string.kind is Kind.STRING


@given(
    st.lists(
        st.sampled_from([b"'", b'"', b"`", b"\\", b"/*", b"*/", b"--", b"\n", b"$", b"a", b";", b"\xe2"])
    )
)
def test_tokens_are_slices_of_any_text_in_order(parts: list[bytes]) -> None:
    text = b"".join(parts)
    position = 0
    for token in tokens(text):
        assert position <= token.start < token.end <= len(text)
        assert token.text == text[token.start : token.end]
        position = token.end
