"""What each ClickHouse error code means for the records that were being inserted. One table, with reasons.

An error of the infrastructure is never a verdict on a record. A code that is not listed counts as one: the
insert is tried again, and the topic says what it waits for.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Verdict(Enum):
    """What to do next."""

    RETRY = "retry"  # the same bytes later
    REPAIR = "repair"  # look at the table again, create what is missing, then the same bytes
    RECORDS = "records"  # the bytes are refused: find the records
    STOP = "stop"  # a person must act; tried again now and then, so that no restart is needed afterwards


_RETRY = {
    74: "cannot read from a file",
    75: "cannot write to a file",
    76: "cannot open a file",
    159: "time limit exceeded",
    160: "too slow",
    164: "read only",
    201: "quota exceeded",
    202: "too many simultaneous queries",
    203: "no free connection",
    209: "socket time-out",
    210: "network error",
    216: "the same query is still running",
    225: "no ZooKeeper",
    236: "aborted",
    241: "memory limit exceeded",
    242: "table is read only",
    243: "not enough space",
    252: "too many parts",
    279: "all connection tries failed",
    285: "too few live replicas",
    286: "quorum not satisfied",
    289: "replica is not in quorum",
    319: "unknown status of the insert",
    394: "query was cancelled",
    425: "system error",
    439: "cannot schedule a task",
    473: "possible deadlock avoided",
    499: "object storage error",
    733: "table is being restarted",
    745: "server overloaded",
    999: "Keeper error",
}
_REPAIR = {
    8: "a column that the insert names is not there",
    16: "no such column in the table",
    47: "unknown identifier",
    60: "unknown table",
    81: "unknown database",
}
_RECORDS = {
    6: "cannot parse text",
    27: "cannot parse input",
    32: "attempt to read after the end",
    33: "cannot read all data",
    38: "cannot parse a date",
    41: "cannot parse a time",
    69: "argument out of bounds",
    72: "cannot parse a number",
    117: "incorrect data",
    128: "too large array",
    131: "too large string",
    321: "value out of the type's range",
    376: "cannot parse a UUID",
    395: "the canaries differ: a record is longer or shorter than its schema says",
    407: "decimal overflow",
    748: "broken Avro",
}
_STOP = {
    192: "unknown user",
    193: "wrong password",
    194: "password required",
    291: "no access to the database",
    497: "access denied",
    516: "authentication failed",
    # What the table or the statement is, not what is in the rows.
    36: "bad arguments",
    43: "illegal type of argument",
    44: "illegal column",
    48: "not implemented",
    50: "unknown type",
    53: "type mismatch",
    57: "a table or view of that name exists and is something else",
    62: "syntax error",
    70: "cannot convert a type",
    80: "incorrect query",
    115: "unknown setting",
    344: "support is disabled",
    524: "this column cannot be changed",
    452: "a setting is constrained for this user",
}

TABLE: Mapping[int, tuple[Verdict, str]] = MappingProxyType(
    {
        code: (verdict, reason)
        for verdict, codes in (
            (Verdict.RETRY, _RETRY),
            (Verdict.REPAIR, _REPAIR),
            (Verdict.RECORDS, _RECORDS),
            (Verdict.STOP, _STOP),
        )
        for code, reason in codes.items()
    }
)

# "An exception of C++, whatever it was": only with these in the text is it the Avro reader's opinion of a
# record (the second is an index outside of a union).
_STD_EXCEPTION = 1001
_FROM_THE_READER = ("avro::Exception", "std::out_of_range", "std::length_error")


def verdict(code: int | None, message: str) -> tuple[Verdict, str]:
    """The verdict on an answer of ClickHouse, and a few words for it; `code` None means no code was given."""
    if code == _STD_EXCEPTION and any(sign in message for sign in _FROM_THE_READER):
        return Verdict.RECORDS, "the Avro reader gave up"
    return TABLE.get(code or 0, (Verdict.RETRY, f"error {code}" if code else "no error code"))
