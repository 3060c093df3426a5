#!/usr/bin/env python3
"""Makes the files of tests/data/protobuf, with Google's Python library: messages of order.proto, and what their rows
are. formats/protobuf/golden_test.cc reads them.

    python3 -m venv v && v/bin/pip install protobuf
    v/bin/python tests/protobuf/golden.py tests/data/protobuf      (protoc has to be on the path)
"""

import pathlib
import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def message_class(folder, name="shop.Order"):
    subprocess.run(["protoc", f"--proto_path={folder}", "--include_imports",
                    f"--descriptor_set_out={folder / 'order.desc'}", "order.proto"], check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString((folder / "order.desc").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def fill(order, i):
    order.id = i * 1_000_003 - 5
    order.state = i % 3
    order.weight = i / 8
    order.good = i % 2 == 0
    order.zigzag = -i * 77
    order.fixed = i * 0x01010101
    order.hash = bytes([65 + i % 26, 66])
    if i % 3 == 0:
        order.note = f"n{i}"
    order.numbers.extend(range(-1, i % 5 - 1))
    order.tags.extend(["t"] * (i % 4))
    if i % 2:
        order.counts["a"] = i
    if i % 5:
        order.place.city = "Ulm"
        order.place.zip = 89073 + i
    order.at.seconds = i * 86_400 - 1
    order.at.nanos = 123_000_000
    if i % 4 == 1:
        order.card = f"c{i}"
    if i % 4 == 2:
        order.cash = i


def text_of(order, i):
    def listed(items):
        return "[" + ", ".join(str(item) for item in items) + "]" if items else "NULL"
    place = f"(Ulm, {89073 + i})" if i % 5 else "NULL"
    counts = f"{{a={i}}}" if i % 2 else "NULL"
    second = i * 86_400 - 1
    day = __import__("datetime").datetime(1970, 1, 1) + __import__("datetime").timedelta(seconds=second)
    card = f"c{i}" if i % 4 == 1 else "NULL"
    cash = str(i) if i % 4 == 2 else "NULL"
    return (f"[{order.id}, {['NEW', 'PAID', 'GONE'][i % 3]}, {order.weight}, {str(order.good).upper()}, "
            f"{order.zigzag}, {order.fixed}, {order.hash.decode()}, {order.note if i % 3 == 0 else 'NULL'}, "
            f"{listed(order.numbers)}, {listed(order.tags)}, {counts}, {place}, {day:%Y-%m-%d %H:%M:%S}.123, "
            f"{card}, {cash}]\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    make = message_class(folder)
    with (folder / "messages.hex").open("w") as messages, (folder / "rows.txt").open("w") as rows:
        for i in range(100):
            order = make()
            fill(order, i)
            messages.write(order.SerializeToString().hex() + "\n")
            rows.write(text_of(order, i))


if __name__ == "__main__":
    main()
