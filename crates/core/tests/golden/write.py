"""Writes a golden log segment from docs/format/log-segment.md, without the code that reads it.

    python3 -m pip install xxhash blake3
    python3 crates/core/tests/golden/write.py

A file that exists is left alone: golden files are never written again. What it holds is in tests/engine/segments.rs.
"""

import pathlib
import runpy
import struct

import blake3

HERE = pathlib.Path(__file__).parent
vortex = runpy.run_path(str(HERE.parents[2] / "vortex/tests/golden/write.py"))
blob, words, plain_strings = vortex["blob"], vortex["words"], vortex["plain_strings"]
nullable, varint, counted = vortex["nullable"], vortex["varint"], vortex["counted"]

START = 1_700_000_000_000
COLLECTION = 1
INT64, UTF8, BINARY, UINT8 = bytes([5]), bytes([12]), bytes([13]), bytes([6])
ABSENT = b"\x00"


def record(first, time, previous, event):
    """One event's record, docs/format/log-record.md."""
    head = b"TLR\x01\x01\x00\x00\x00" + struct.pack("<QQQqII", START, 0, first, time, 1, 1) + bytes(4)
    length = len(head) + 4 + 32 + 5 + len(event) + 32
    body = head + struct.pack("<I", length) + previous + bytes(5) + event
    return body + blake3.blake3(body).digest()


def column(number, type_, page, nulls=0):
    return number, f"column {number}", 0, type_, [(page, nulls, ABSENT)]


# {"id": "a", "n": 1} comes, and becomes {"id": "a", "n": 2, "t": "x"}. Field 1 is n, field 2 is t.
named = b"\x00" + varint(COLLECTION) + counted(b"notes")
extra = b"\x01" + counted(b"id") + counted(b'"a"')
insert = b"\x01" + named + counted(b"a") + b"\x01\x01\x03\x02" + extra
update = b"\x02" + named + counted(b"a") + b"\x02\x01\x03\x04\x02\x06" + counted(b"x") + extra + b"\x02\x01\x03\x02\x02\x00"
one = record(1, START, bytes(32), insert)
two = record(2, START + 1_000, one[-32:], update)

records = blob(2, 8192, [
    column(0, INT64, words("q", 1, 1)),
    column(1, INT64, words("q", START, START)),
    column(3, INT64, words("q", START, START + 1_000)),
    column(4, INT64, words("q", 1, 1)),
])
images = blob(2, 8192, [
    column(1, BINARY, plain_strings([b"\x01" + counted(b"id") + b"\x00"] * 2)),
    column(2, BINARY, nullable([0, 1], plain_strings([b"\x01\x02\x00"])), 1),
    column(1 * 32 + 3, INT64, words("q", 1, 2)),
    column(1 * 32 + 16 + 3, INT64, nullable([0, 1], words("q", 1)), 1),
    column(2 * 32 + 6, UTF8, nullable([0, 1], plain_strings([b"x"])), 1),
])
metadata = b"\x01" + varint(1) + bytes(32) + two[-32:] + b"\x01" + varint(COLLECTION) + counted(b"notes")
segment = blob(
    2, 8192, [column(0, UINT8, words("B", 1, 2)), column(2, UTF8, plain_strings([b"a", b"a"]))],
    [(1, records), (16, images)], metadata,
)

path = HERE / "log-segment-v1.tvx"
if path.exists():
    print(f"{path.name} is there: left as it is" + ("" if path.read_bytes() == segment else ", AND IT DIFFERS"))
else:
    path.write_bytes(segment)
    print(f"{path.name}: {len(segment)} bytes")
