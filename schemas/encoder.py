"""Records to framed Avro messages, a slice at a time, by a function generated for the contract.

Byte for byte what fastavro writes for the data of `schemas.datum`, which also names the field when a record
cannot be encoded.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from schemas import binary
from schemas.avro import schema_in
from schemas.codegen import Code
from schemas.contract import SourceContract, event_field, key_fields, record_id
from schemas.datum import to_datum
from schemas.emit import emit, field_value, fields, joined, require_class
from schemas.emit_leaf import HELPERS, key_part, longs
from schemas.errors import ContractError, UnencodableRecordError, UnfitValueError
from schemas.models import payload_record
from schemas.wire import frame

Encode = Callable[[Sequence[BaseModel], bytes, Callable[[dict[str, bytes]], None]], None]


class RecordEncoder:
    """Encodes the records of one contract under one registered schema.

    Raises ContractError when `schema` is not the one that `build_schema` makes for `contract`.
    """

    def __init__(self, contract: SourceContract, schema: dict[str, Any], schema_id: int) -> None:
        if schema != schema_in(contract, str(schema.get("namespace"))):
            raise ContractError(
                f"{contract.source}: the schema given does not describe {contract.record.__name__}; "
                "build it from the same contract with schemas.avro.build_schema"
            )
        self.schema = schema
        # What each message's value begins with.
        self.framing = frame(schema_id, b"")
        self._contract = contract
        self._shape = payload_record(contract.record)
        code = _program(contract, self.framing)
        self.source = code.text()
        self._encode = _compiled(code, f"<encoder of {contract.source}>")

    def encode(
        self, records: Sequence[BaseModel], *, extracted_at: datetime, run_id: str
    ) -> list[dict[str, bytes]]:
        """[{"key": id in UTF-8, "value": framed Avro}] for each record, ready for Producer.produce_batch.

        Raises UnencodableRecordError for the first record that Avro cannot carry, with the messages before
        it.
        """
        read_at = binary.instant(extracted_at - binary.epoch_of(extracted_at))
        # Without a field for it, the event time is the extraction's.
        times = read_at if self._contract.event_time else read_at * 2
        messages: list[dict[str, bytes]] = []
        try:
            self._encode(records, times + binary.framed(run_id.encode()), messages.append)
        except Exception as exc:
            index = len(messages)
            path, why = self._complaint(records[index], exc)
            raise UnencodableRecordError(index, path, why, messages) from exc
        return messages

    def _complaint(self, record: BaseModel, error: Exception) -> tuple[str, str]:
        path = self._contract.record.__name__
        try:
            to_datum(self._shape, record, path)
            record_id(self._contract, record)
        except UnfitValueError as exc:
            return exc.path, exc.why
        except Exception as exc:
            # A property or an operator of the author's may raise anything.
            return path, f"cannot be written: {exc!r}"
        return path, f"cannot be written: {error!r}"


def _program(contract: SourceContract, framing: bytes) -> Code:
    """def encode(records, run, add): adds a message for each; `run` is what the slice has in common."""
    code = Code(HELPERS)
    record = payload_record(contract.record)
    source = binary.framed(contract.source.encode())
    event = event_field(contract)
    with code.block("def encode(records, run, add):"), code.block("for record in records:"):
        require_class(code, record, "record")
        parts = fields(code, record.fields, "record")
        if keys := [
            key_part(code, field, field_value(code, field, "record")) for field in key_fields(contract)
        ]:
            key = code.once(f"b':'.join(({', '.join(keys)}))", "id") if len(keys) > 1 else keys[0]
        else:
            parts = [code.once(joined(parts), "body")]
            key = code.once(f"digest({parts[0]})", "id")
        time = emit(code, event.shape, field_value(code, event, "record")) if event else []
        value = [repr(framing), f"{longs(code)}[len({key})]", key, repr(source), *time, "run", *parts]
        code.line(f'add({{"key": {key}, "value": {joined(value)}}})')
    return code


def _compiled(code: Code, name: str) -> Encode:
    namespace = dict(code.constants)
    # The source is made of our own templates; names of fields enter it as string literals or identifiers.
    exec(compile(code.text(), name, "exec"), namespace)  # noqa: S102
    encode: Encode = namespace["encode"]
    return encode
