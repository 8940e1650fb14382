"""Writes the golden blobs from docs/format/vortex-blob.md, without the crate that reads them.

    python3 -m pip install xxhash
    python3 crates/vortex/tests/golden/write.py

A file that exists is left alone: golden files are never written again. What they hold is in tests/it/golden.rs.
"""

import pathlib
import struct

import xxhash

HERE = pathlib.Path(__file__).parent


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint((n << 1) ^ (n >> 63) if n >= 0 else ((-n) << 1) - 1)


def counted(data):
    return varint(len(data)) + data


def xxh3(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed=seed)


def bits(values):
    out = bytearray(-(-len(values) // 8))
    for place, value in enumerate(values):
        out[place // 8] |= value << place % 8
    return bytes(out)


def packed_bits(numbers, width):
    whole = sum(number << place * width for place, number in enumerate(numbers))
    return whole.to_bytes(-(-len(numbers) * width // 8), "little")


# Nodes.
NULL = b"\x00"


def nullable(valid, values):
    return b"\x01" + varint(sum(valid)) + plain(bits(valid)) + values


def plain(data):
    return b"\x02" + data


def plain_strings(strings, lengths=None):
    data = b"".join(strings)
    lengths = lengths or plain(b"".join(struct.pack("<I", len(s)) for s in strings))
    return b"\x02" + varint(len(data)) + lengths + data


def constant(value):
    return b"\x03" + zigzag(value)


def constant_string(value):
    return b"\x03" + counted(value)


def packed(reference, width, numbers):
    return b"\x04" + zigzag(reference) + bytes([width]) + packed_bits(numbers, width)


def delta(first, deltas):
    return b"\x05" + zigzag(first) + deltas


def multiple(reference, factor, words):
    return b"\x06" + zigzag(reference) + varint(factor) + words


def runs(count, values, lengths):
    return b"\x07" + varint(count) + values + lengths


def dictionary(count, entries, codes):
    return b"\x08" + varint(count) + entries + codes


def zstd(node):
    """One frame of one raw block: Zstandard without compressing (RFC 8878)."""
    size = len(node)
    frame = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", size)
    frame += (size << 3 | 1).to_bytes(3, "little") + node
    return b"\x09" + varint(size) + counted(frame)


def decimal(exponent, numbers):
    return b"\x0a" + bytes([exponent]) + numbers


def cbor(texts, items):
    return b"\x0b" + texts + items


def lists(count, lengths, elements):
    return b"\x0c" + varint(count) + lengths + elements


def fixed_lists(elements):
    return b"\x0c" + elements


def frame(data):
    """One Zstandard frame of one raw block (RFC 8878)."""
    size = len(data)
    return b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", size) + (size << 3 | 1).to_bytes(3, "little") + data


def fsst(raw_bytes, symbols, codes):
    data = b"".join(codes)
    sizes = plain(b"".join(struct.pack("<I", len(one)) for one in codes))
    lengths = bytes(len(symbol) for symbol in symbols)
    return b"\x20" + varint(raw_bytes) + varint(len(data)) + counted(lengths) + counted(b"".join(symbols)) + sizes + data


def digits(raw_bytes, prefix, suffix, places, places_min, whole_min, numbers):
    return b"\x21" + varint(raw_bytes) + counted(prefix) + counted(suffix) + bytes([places, places_min, whole_min]) + numbers


def times(separator, places, suffix, numbers):
    return b"\x22" + bytes([separator, places]) + counted(suffix) + numbers


def pattern(template, *columns):
    return b"\x23" + counted(template) + b"".join(columns)


def shapes(raw_bytes, shape_columns, pieces, codes, kinds, distances, masks, columns, others=None, other_bytes=0):
    """shape_columns: the columns of each shape's places. columns: (count, node)."""
    flat = [column for shape in shape_columns for column in shape]
    head = [raw_bytes, sum(others or []), other_bytes, len(shape_columns), len(flat), len(distances), len(masks), len(columns)]
    head += [count for count, _ in columns]
    out = b"\x24" + b"".join(varint(number) for number in head)
    if others:
        out += plain(bits(others))
    out += words("I", *(len(shape) for shape in shape_columns)) + words("I", *flat) + plain_strings(pieces)
    out += words("I", *codes) + words("I", *kinds) + words("I", *distances) + words("Q", *masks)
    return out + b"".join(node for _, node in columns)


def partner(column):
    return b"\x25" + varint(column)


def blocks(block_rows, strings):
    parts = [b"".join(strings[at : at + block_rows]) for at in range(0, len(strings), block_rows)]
    frames = [frame(part) for part in parts]
    lengths = words("I", *(len(one) for one in strings)) + words("I", *(len(one) for one in frames))
    return b"\x26" + varint(sum(map(len, strings))) + varint(block_rows) + varint(sum(map(len, frames))) + lengths + b"".join(frames)


def patched(places, patches, values):
    return b"\x0d" + varint(len(places)) + words("I", *places) + patches + values


def shared(codes):
    return b"\x0e" + codes


def pco(is_float, data):
    return b"\x0f" + bytes([is_float]) + counted(data)


# The container.
ABSENT = b"\x00"


def bounds(least, greatest, flags=15):
    return bytes([flags]) + least + greatest


def floats(*values):
    return b"".join(struct.pack("<d", value) for value in values)


def text_type(tag, *rest):
    return bytes([tag]) + b"".join(rest)


def blob(rows, page_rows, columns, sections=(), metadata=b"", hints=0, features=0):
    """Columns: (id, name, kind, type, [(page, nulls, bounds)]). Sections: (id, bytes)."""
    head = b"TLVB" + bytes([1, 0, 0, 0]) + struct.pack("<IIII", features, hints, 0, len(metadata)) + metadata
    body = b""
    index = varint(page_rows) + varint(len(columns))
    for number, name, kind, type_, pages in columns:
        assert len(pages) == -(-rows // page_rows)
        index += varint(number) + counted(name.encode()) + bytes([kind]) + type_
        for page, nulls, page_bounds in pages:
            body += page
            index += varint(len(page)) + struct.pack("<Q", xxh3(page)) + varint(nulls) + page_bounds
    index += varint(len(sections))
    for number, data in sections:
        body += data
        index += varint(number) + varint(len(data)) + struct.pack("<Q", xxh3(data))
    size = len(head) + len(body) + len(index) + 28
    index += struct.pack("<IIQ", rows, len(index), size)
    return head + body + index + struct.pack("<Q", xxh3(index, xxh3(head))) + b"TLVB"


def words(code, *values):
    return plain(struct.pack(f"<{len(values)}{code}", *values))


def every_type():
    """Three rows of every type: plain, with a null in the middle where the row says so."""
    some = [1, 0, 1]
    element = bytes([10, 1]) + counted(b"item")
    column_types = [
        (bytes([1]), plain(bits([1, 0, 1])), 0, bounds(b"\x00", b"\x01")),
        (bytes([2]), nullable(some, words("b", -128, 127)), 1, bounds(zigzag(-128), zigzag(127))),
        (bytes([3]), nullable(some, words("h", -(2**15), 2**15 - 1)), 1, bounds(zigzag(-(2**15)), zigzag(2**15 - 1))),
        (bytes([4]), nullable(some, words("i", -(2**31), 2**31 - 1)), 1, bounds(zigzag(-(2**31)), zigzag(2**31 - 1))),
        (bytes([5]), nullable(some, words("q", -(2**63), 2**63 - 1)), 1, bounds(zigzag(-(2**63)), zigzag(2**63 - 1))),
        (bytes([6]), words("B", 0, 7, 255), 0, bounds(varint(0), varint(255))),
        (bytes([7]), words("H", 0, 7, 2**16 - 1), 0, bounds(varint(0), varint(2**16 - 1))),
        (bytes([8]), words("I", 0, 7, 2**32 - 1), 0, bounds(varint(0), varint(2**32 - 1))),
        (bytes([9]), words("Q", 0, 7, 2**64 - 1), 0, bounds(varint(0), varint(2**64 - 1))),
        (bytes([10]), words("I", 0x80000000, 0x3FC00000, 0x7FC00001), 0, ABSENT),
        (bytes([11]), words("Q", 1 << 63, 0x3FF8000000000000, 0x7FF0000000000000), 0, bounds(floats(0.0), floats(float("inf")))),
        (bytes([12]), nullable(some, plain_strings(["é".encode(), b"z" * 40])), 1, bounds(counted(b"z" * 32), counted("é".encode()), 11)),
        (bytes([13]), plain_strings([b"", b"\x00\xff", b"\xff" * 33]), 0, bounds(counted(b""), b"", 5)),
        (bytes([14]) + varint(2), plain(b"aabbcc"), 0, bounds(counted(b"aa"), counted(b"cc"))),
        (bytes([15]), words("i", -1, 0, 20_000), 0, bounds(zigzag(-1), zigzag(20_000))),
        (bytes([16, 0, 0]), words("q", 0, 1, 2), 0, bounds(zigzag(0), zigzag(2))),
        (bytes([16, 1, 0]), words("q", 0, 1, 2), 0, bounds(zigzag(0), zigzag(2))),
        (bytes([16, 2, 1]) + counted(b"UTC"), words("q", 0, 1, 2), 0, bounds(zigzag(0), zigzag(2))),
        (bytes([16, 3, 1]) + counted(b"+01:00"), words("q", 0, 1, 2), 0, bounds(zigzag(0), zigzag(2))),
        (bytes([17]) + element, nullable(some, lists(3, words("I", 1, 2), nullable([1, 0, 1], words("f", 1.5, 2.5)))), 1, ABSENT),
        (bytes([18]) + element + varint(2), nullable(some, fixed_lists(words("f", 1.0, 2.0, 3.0, 4.0))), 1, ABSENT),
    ]
    columns = [
        (number, f"type {type_[0]}", 0, type_, [(page, nulls, page_bounds)])
        for number, (type_, page, nulls, page_bounds) in enumerate(column_types)
    ]
    return blob(3, 8192, columns, [(7, b"beside"), (1 << 31, b"the format's own")], b"metadata", hints=1 << 31)


def every_encoding():
    """Six rows in pages of four, one encoding a column."""
    int64, float32, float64, utf8 = bytes([5]), bytes([10]), bytes([11]), bytes([12])
    strings = plain_strings([b"one", b"", b"three"])
    items = [b"\xa1\x61a\x01", b"{ }", b"\x83\xf6\xf9\x3c\x00\x20", b"\xfb" + struct.pack(">d", 1.1)]

    def column(type_, first, second, nulls=(0, 0), kind=0):
        return kind, type_, [(first, nulls[0], ABSENT), (second, nulls[1], ABSENT)]

    columns = [
        column(int64, NULL, nullable([0, 1], constant(-7)), (4, 1)),
        column(int64, packed(-5, 3, [0, 7, 3, 5]), packed(2**62, 0, [0, 0])),
        column(int64, packed(-(2**63), 64, [0, 2**64 - 1, 1, 2**63]), packed(0, 59, [1, 2**59 - 1])),
        column(int64, delta(10, packed(-1, 2, [0, 1, 2])), delta(2**63 - 1, constant(1))),
        column(int64, multiple(-3, 1000, packed(0, 4, [0, 15, 1, 2])), multiple(1, 86_400_000, constant(2))),
        column(int64, runs(2, words("q", 8, -9), words("I", 3, 1)), runs(1, constant(4), constant(2))),
        column(int64, dictionary(2, words("q", 2**40, -1), packed(0, 1, [1, 0, 0, 1])), dictionary(1, constant(5), constant(0))),
        column(int64, zstd(words("q", 1, 2, 3, 4)), zstd(constant(6))),
        column(float64, decimal(2, packed(-150, 10, [0, 50, 150, 1000])), decimal(0, constant(-3))),
        column(float32, decimal(1, words("q", 1, -2, 3, 0)), words("f", 0.1, -0.0)),
        column(utf8, dictionary(3, strings, packed(0, 2, [2, 1, 0, 0])), constant_string(b"same")),
        column(utf8, zstd(plain_strings([b"a", b"bc", b"", b"d"], packed(0, 2, [1, 2, 0, 1]))), plain_strings([b"x", b"y"], constant(1))),
        column(utf8, cbor(plain(bits([0, 1, 0, 0])), plain_strings(items)), cbor(constant(1), constant_string(b"[ 1 ]")), kind=1),
        column(bytes([1]), runs(2, plain(bits([1, 0])), words("I", 1, 3)), constant(1)),
        column(bytes([14]) + varint(3), dictionary(2, plain(b"abcxyz"), words("I", 1, 0, 1, 1)), constant_string(b"~~~")),
        column(bytes([2]), packed(-128, 8, [0, 255, 128, 127]), delta(127, constant(1))),
    ]
    columns = [
        (100 + number, f"column {number}", kind, type_, pages)
        for number, (kind, type_, pages) in enumerate(columns)
    ]
    return blob(6, 4, columns)


def every_text():
    """Six rows in one page: the encodings of texts, and two columns whose images are one sequence."""
    a1, a2, b, whole = b'{"id":"a","n":1}', b'{"id":"a","n":2.5}', b'{"id":"b","n":-3.25}', [b"[ ]", b"{ }"]
    a3 = b'{"id":"a","n":2.5,"tag":"x"}'
    before, after = [a1, a2, b, whole[0]], [a1, a2, a3, b, whole[1]]
    images = shapes(
        raw_bytes=sum(map(len, before)),
        shape_columns=[[0, 1], [0, 1, 2], [3]],
        pieces=[b'{"id":"', b'","n":', b"}", b'{"id":"', b'","n":', b',"tag":"', b'"}', b"", b""],
        # new a1, copy, edit to a2, copy, edit to a3 with a tag more, new b, copy, new whole, edit of that.
        codes=[0, 0, 1, 0, 2, 2],
        kinds=[0, 2, 1, 2, 1, 0, 2, 0, 1],
        distances=[1, 1, 1],
        masks=[0b10, 0b100, 0b1],
        columns=[
            (2, plain_strings([b"a", b"b"])),
            (3, digits(9, b"", b"", 2, 0, 1, words("q", 100, 250, -325))),
            (1, plain_strings([b"x"])),
            (2, plain_strings(whole)),
        ],
        others=[1, 0, 1, 0, 1, 1, 0, 0, 1],
        other_bytes=sum(map(len, after)),
    )
    alone = shapes(
        raw_bytes=6 * 4,
        shape_columns=[[0, 1], [1, 0]],
        pieces=[b"[", b",", b"]", b"(", b"-", b")"],
        codes=[0, 1, 0, 0, 1, 0],
        kinds=[0, 0, 0, 0, 0, 0],
        distances=[],
        masks=[],
        columns=[(6, plain_strings([bytes([byte]) for byte in b"abcdef"])), (6, constant_string(b""))],
    )
    columns = [
        fsst(14, [b"http://", b"x"], [b"\x00\x01", b"", b"\xff!\x01", b"\x01\x01", b"\x01", b"\xffa"]),
        digits(72, b"no_", b" kg", 2, 1, 3, words("q", 0, 1, -1, 1250, 99_999, 123_456)),
        times(0, 0, b"", words("q", 0, -1, 11_016, -719_528, 2_932_896, 20_454)),
        times(ord("T"), 3, b"Z", words("q", 0, -1, 1_500, 951_782_400_000, 86_400_000, 59_999)),
        pattern(b"x-\xfe\xfe-\xff", words("Q", 0, 0xABC, 0xFFF, 0x123, 0x9A8, 1)),
        pattern(b"\xfe" * 17, words("Q", 2**64 - 1, 0, 1, 2, 3, 4), packed(0, 4, [15, 0, 1, 2, 3, 10])),
        blocks(4, [b"one", b"", b"three", b"four", b"five", b"six"]),
        alone,
        nullable([0, 1, 1, 0, 1, 1], images),
        nullable([1, 1, 1, 1, 0, 1], partner(8)),
    ]
    nulls = {8: 2, 9: 1}
    columns = [
        (number, f"text {number}", 0, bytes([12]), [(page, nulls.get(number, 0), ABSENT)])
        for number, page in enumerate(columns)
    ]
    return blob(6, 8192, columns, features=0x7F00)


def every_number():
    """Four rows in one page: exceptions, values that a column's pages share, Pcodec."""
    int32, int64, float64, utf8 = bytes([4]), bytes([5]), bytes([11]), bytes([12])
    # What pcodec's Python package 1.1 makes, wrapped, of 1, -2, 300, 2**40 and of 1.5, -0.0, NaN, 0.1.
    whole = bytes.fromhex("0401002200d0ffffffffffffff2f010000000040000020006a0c00e012")
    floating = bytes.fromhex("0401004200e0ffffffffffffff0f80666666666666ee2f00000000000000fc5f00000000000000f8ff00d200")
    columns = [
        (int64, patched([1, 3], words("q", -(2**63), 7), packed(10, 2, [0, 3, 1, 2]))),
        (float64, patched([2], words("Q", 0x7FF8000000000001), decimal(1, words("q", 5, -15, 0, 10)))),
        (int64, shared(packed(0, 2, [2, 0, 1, 2]))),
        (int32, shared(packed(0, 1, [1, 0, 0, 1]))),
        (utf8, shared(words("I", 1, 1, 0, 1))),
        (int64, pco(0, whole)),
        (float64, pco(1, floating)),
    ]
    columns = [(number, f"number {number}", 0, type_, [(page, 0, ABSENT)]) for number, (type_, page) in enumerate(columns)]
    own = 1 << 31
    sections = [
        (own + 4 * 2, varint(3) + words("q", -1, 0, 2**40)),
        (own + 4 * 3, varint(2) + words("i", -5, 9)),
        (own + 4 * 4, varint(2) + plain_strings([b"", b"shared"])),
        (7, b"beside"),
    ]
    return blob(4, 8192, columns, sections, features=0x7)


for name, data in [("every-type-v1", every_type()), ("every-encoding-v1", every_encoding()), ("empty-v1", blob(0, 8192, [])), ("every-text-v1", every_text()), ("every-number-v1", every_number())]:
    path = HERE / f"{name}.tvx"
    if path.exists():
        print(f"{path.name} is there: left as it is" + ("" if path.read_bytes() == data else ", AND IT DIFFERS"))
    else:
        path.write_bytes(data)
        print(f"{path.name}: {len(data)} bytes")
