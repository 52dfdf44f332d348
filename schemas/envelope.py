"""Where the envelope ends and the payload begins in an encoded record, without decoding it."""

from schemas.wire import FRAME_SIZE


def payload_start(value: bytes) -> int:
    """The place of the payload in a framed message value: behind id, source, two times and run.

    The envelope's fields are the first of every schema that `schemas.avro` builds. Raises IndexError for a
    value that ends before its envelope does.
    """
    at = FRAME_SIZE
    for is_text in (True, True, False, False, True):
        number, shift = value[at] & 0x7F, 7
        while value[at] & 0x80:
            at += 1
            number |= (value[at] & 0x7F) << shift
            shift += 7
        at += 1
        if is_text:
            at += number >> 1
    return at
