"""The engine's texts become errors in the server's shape."""

import pytest

from devstack.clickhouse.errors import StatementError, from_engine


@pytest.mark.parametrize(
    ("text", "code", "name", "message"),
    [
        (
            "Code: 60. DB::Exception: Unknown table 'x'. (UNKNOWN_TABLE)",
            60,
            "UNKNOWN_TABLE",
            "Unknown table 'x'.",
        ),
        (
            "Code: 107. DB::Exception: Code: 107. DB::Exception: File x doesn't exist: While executing File. "
            "(FILE_DOESNT_EXIST) (version 26.9.2.1). (FILE_DOESNT_EXIST)",
            107,
            "FILE_DOESNT_EXIST",
            "File x doesn't exist: While executing File.",
        ),
        (
            "Code: 395. DB::Exception: forged (version 1). (LIES) is text: while. (FUNCTION_THROW_IF) "
            "(version 26.9.2.1 (official build))",
            395,
            "FUNCTION_THROW_IF",
            "forged (version 1). (LIES) is text: while.",
        ),
        (
            "Code: 1001. DB::Exception: std::exception. Code: 1001, type: avro::Exception, "
            "e.what() = EOF reached (version 26.9.2.1). (STD_EXCEPTION)",
            748,
            "AVRO_EXCEPTION",
            "avro::Exception: EOF reached",
        ),
        (
            "Code: 1001. DB::Exception: std::exception. Code: 1001, type: std::bad_alloc, "
            "e.what() = std::bad_alloc (version 26.9.2.1). (STD_EXCEPTION)",
            1001,
            "STD_EXCEPTION",
            "std::exception. Code: 1001, type: std::bad_alloc, e.what() = std::bad_alloc",
        ),
        ("connection is gone", 1002, "UNKNOWN_EXCEPTION", "connection is gone"),
    ],
)
def test_code_name_and_message_are_read(text: str, code: int, name: str, message: str) -> None:
    error = from_engine(text)

    assert (error.code, error.name, error.message) == (code, name, message)


def test_the_body_is_worded_as_a_server_words_it() -> None:
    error = StatementError(395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", "misaligned")

    assert error.body("26.9.2.1") == (
        b"Code: 395. DB::Exception: misaligned. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) "
        b"(version 26.9.2.1 (official build))\n"
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [(62, 400), (516, 403), (194, 401), (60, 404), (81, 404), (159, 408), (48, 501), (395, 500), (748, 500)],
)
def test_codes_have_the_servers_statuses(code: int, status: int) -> None:
    assert StatementError(code, "NAME", "").status == status
