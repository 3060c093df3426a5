#!/usr/bin/env python3
"""Compares how JSON is read and written with Python's own module, and runs the example of JSON.

  json_check.py BIN_DIRECTORY [SEED]

Records with numbers, texts and keys of all kinds are written by Python in several styles, go through a job, and
come back as they were."""
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

STYLES = [{}, {"ensure_ascii": False}, {"separators": (",", ":")}, {"separators": (" , ", " : "), "ensure_ascii": False}]
LETTERS = ["a", "Z", "\"", "\\", "/", "\n", "\t", "\x00", "\x1f", "\x7f", "é", "ÿ", "€", "\u2028", "\ufeff", "😀", "{", "]", ":", ","]


def run(program, *arguments):
    result = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                            stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        sys.exit(f"{program.name}: status {result.returncode}\n{result.stdout}{result.stderr}")


def lines_of(folder):
    return [json.loads(line) for path in sorted(folder.iterdir()) if not path.name.startswith(".")
            for line in path.read_text(encoding="utf-8").split("\n") if line]


class Records:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        return "".join(self.random.choice(LETTERS) for _ in range(self.random.randrange(12)))

    def real(self):
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.uniform(-1e3, 1e3)
        if kind == 1:
            return self.random.uniform(-1, 1) * 10.0 ** self.random.randrange(-320, 300)
        if kind == 2:
            return float(self.random.randrange(-2**60, 2**60))
        return self.random.choice([0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1e22, 1e23])

    def maybe(self, value):
        return self.random.choice([None, value])

    def record(self, number):
        record = {
            "id": self.random.choice([number, -2**63, 2**63 - 1]),
            "big": self.maybe(self.random.choice([0, 2**64 - 1, 10**19])),
            "real": self.maybe(self.real()),
            "flag": self.maybe(self.random.random() < 0.5),
            "text": self.maybe(self.text()),
            "inners": [self.maybe({"text": self.text(), "real": self.maybe(self.real())})
                       for _ in range(self.random.randrange(3))],
            "lists": {self.text(): [self.random.randrange(-2**31, 2**31) for _ in range(self.random.randrange(3))]
                      for _ in range(self.random.randrange(3))},
        }
        return record

    def line(self, record):
        """The record in some style, its keys in some order, with some that nobody asks for."""
        keys = list(record)
        if self.random.random() < 0.3:
            self.random.shuffle(keys)
        shown = {key: record[key] for key in keys if record[key] is not None or self.random.random() < 0.5}
        if self.random.random() < 0.2:
            shown["unknown " + self.text()] = [{"deep": [[], {}]}, self.real(), self.text(), None, True]
        return json.dumps(shown, **self.random.choice(STYLES))


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and float(a) == float(b) and math.copysign(1, a) == math.copysign(1, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def check_echo(programs, scratch, seed):
    records = Records(seed)
    expected = [records.record(number) for number in range(5000)]
    (scratch / "in.jsonl").write_text("".join(records.line(record) + "\n" for record in expected), encoding="utf-8")
    run(programs / "json_echo", "--in", scratch / "in.jsonl", "--out", scratch / "echo")
    got = lines_of(scratch / "echo")
    if len(got) != len(expected):
        sys.exit(f"{len(got)} records came back of {len(expected)}")
    for number, (before, after) in enumerate(zip(expected, got)):
        if not same(before, after):
            sys.exit(f"seed {seed}, record {number}:\n{before}\ncame back as\n{after}")


def check_example(programs, scratch):
    (scratch / "orders.jsonl").write_text(
        '{"id":1,"at":"2013-01-01T10:00:00Z","customer":"Ann","items":[{"sku":"a","count":3,"price":0.10}]}\n'
        '{"id":2,"at":"2013-01-01T10:00:01Z","items":[]}\n'
        '{"id":3,"at":"tomorrow","items":[]}\n', encoding="utf-8")
    run(programs / "orders", "--in", scratch / "orders.jsonl", "--out", scratch / "orders")
    worths = lines_of(scratch / "orders" / "worths")
    if worths != [{"id": 1, "customer": "Ann", "total": 0.30}, {"id": 2, "customer": "nobody", "total": 0.0}]:
        sys.exit(f"the orders are worth {worths}")
    (rejected,) = lines_of(scratch / "orders" / "rejected")
    if (rejected["line"], rejected["path"]) != (3, "$.at"):
        sys.exit(f"what was put aside is {rejected}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    programs = pathlib.Path(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) == 3 else 1
    with tempfile.TemporaryDirectory() as scratch:
        check_echo(programs, pathlib.Path(scratch), seed)
        check_example(programs, pathlib.Path(scratch))
    print("JSON is read and written as Python does it")


if __name__ == "__main__":
    main()
