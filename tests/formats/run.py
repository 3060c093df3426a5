#!/usr/bin/env python3
"""Compares the formats json, csv and debezium-json with Python's own readers and writers: files of random rows are
written by Python, read and written again by the program, and read by Python.

  tests/formats/run.py build/release/bin/tidewheel --seed 1 --files 200"""
import argparse
import csv
import datetime
import decimal
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile

EPOCH = datetime.datetime(1970, 1, 1)
WORDS = ["", "x", "NULL", "käse\n\"\\", "語" * 20, "a,b;c", "'", " spaced ", "\t", "\U0001f30a", "0012", "\x01", "/"]


class Column:
    """A type of SQL and random values of it; a value is what Python has read of the format when all went well."""

    def __init__(self, rng, of_csv, depth=0):
        self.rng, self.of_csv = rng, of_csv
        plain = ["BOOLEAN", "INT", "BIGINT", "DOUBLE", "DECIMAL(20, 4)", "STRING", "DATE", "TIMESTAMP(3)", "TIME(0)"]
        nested = ["ARRAY", "MAP", "ROW"] if not of_csv and depth < 3 else []
        self.kind = rng.choice(plain + nested)
        self.parts = []
        if self.kind in ("ARRAY", "MAP"):
            self.parts = [Column(rng, of_csv, depth + 1)]
        elif self.kind == "ROW":
            self.parts = [Column(rng, of_csv, depth + 1) for _ in range(rng.randint(1, 3))]

    def sql(self):
        if self.kind == "ARRAY":
            return f"ARRAY<{self.parts[0].sql()}>"
        if self.kind == "MAP":
            return f"MAP<STRING, {self.parts[0].sql()}>"
        if self.kind == "ROW":
            return "ROW<" + ", ".join(f"f{i} {part.sql()}" for i, part in enumerate(self.parts)) + ">"
        return self.kind

    def value(self):
        rng = self.rng
        if rng.random() < 0.15:
            return None
        if self.kind == "ARRAY":
            return [self.parts[0].value() for _ in range(rng.choice([0, 1, 3, 30]))]
        if self.kind == "MAP":
            return {f"k{i}\"\n": self.parts[0].value() for i in range(rng.choice([0, 1, 3]))}
        if self.kind == "ROW":
            return {f"f{i}": part.value() for i, part in enumerate(self.parts)}
        day = EPOCH + datetime.timedelta(milliseconds=rng.randint(-2 ** 42, 2 ** 42))
        return {"BOOLEAN": lambda: rng.random() < 0.5,
                "INT": lambda: rng.choice([0, -1, 2 ** 31 - 1, -2 ** 31, rng.randint(-1000, 1000)]),
                "BIGINT": lambda: rng.choice([0, 2 ** 63 - 1, -2 ** 63, rng.getrandbits(40)]),
                "DOUBLE": lambda: rng.choice([0.0, -0.0, -1.5, rng.random() * 1e300, -rng.random() * 1e-300, rng.random()]),
                "DECIMAL(20, 4)": lambda: decimal.Decimal(rng.choice([-1, 1]) * rng.randrange(10 ** rng.randint(0, 20)))
                .scaleb(-4),
                "STRING": lambda: rng.choice(WORDS) + rng.choice(WORDS),
                "DATE": lambda: day.date().isoformat(),
                "TIME(0)": lambda: day.time().isoformat("seconds"),
                "TIMESTAMP(3)": lambda: day.isoformat(" ", "milliseconds")}[self.kind]()

    def alike(self, expected, found):
        """Whether what was read is the value; how points in time end is the writer's."""
        if expected is None or found is None:
            return expected is found
        if self.kind == "ARRAY":
            return len(expected) == len(found) and all(map(self.parts[0].alike, expected, found))
        if self.kind == "MAP":
            return expected.keys() == found.keys() and all(
                self.parts[0].alike(value, found[key]) for key, value in expected.items())
        if self.kind == "ROW":
            return expected.keys() == found.keys() and all(
                part.alike(expected[f"f{i}"], found[f"f{i}"]) for i, part in enumerate(self.parts))
        if self.kind == "TIMESTAMP(3)":
            return datetime.datetime.fromisoformat(found) == datetime.datetime.fromisoformat(expected)
        if self.kind == "TIME(0)":
            return datetime.time.fromisoformat(found) == datetime.time.fromisoformat(expected)
        if self.kind == "DOUBLE":
            return float(found) == expected
        if self.kind == "DECIMAL(20, 4)":
            return decimal.Decimal(found) == expected
        if self.kind == "BOOLEAN":
            return found is expected
        return found == expected


class ExactEncoder(json.JSONEncoder):
    """Decimals as numbers with all of their digits."""

    def iterencode(self, o, _one_shot=False):
        marks = {}

        def marked(value):
            if isinstance(value, decimal.Decimal):
                mark = f"@@{len(marks)}@@"
                marks[json.dumps(mark)] = format(value, "f")
                return mark
            if isinstance(value, list):
                return [marked(one) for one in value]
            if isinstance(value, dict):
                return {key: marked(one) for key, one in value.items()}
            return value
        text = "".join(super().iterencode(marked(o)))
        for mark, number in marks.items():
            text = text.replace(mark, number)
        yield text


def json_line(rng, value):
    return json.dumps(value, cls=ExactEncoder, ensure_ascii=rng.random() < 0.5,
                      separators=rng.choice([(",", ":"), (", ", ": "), (" ,\t", " :  ")]))


def json_object(rng, row):
    """The fields in any order and among others; those that are NULL may be left out."""
    fields = [(name, value) for name, value in row.items() if value is not None or rng.random() < 0.5]
    fields += [("other", rng.choice([None, {"a": [1, "]"]}, "x\"}"]))] * rng.randint(0, 1)
    rng.shuffle(fields)
    return json_line(rng, dict(fields))


def write_json(rng, rows):
    return "".join(json_object(rng, row) + "\n" for row in rows)


def read_json(text):
    return [json.loads(line, parse_float=decimal.Decimal) for line in text.splitlines() if line]


def write_debezium(rng, rows):
    lines = []
    for row in rows:
        fields = [("before", None), ("after", row), ("op", rng.choice("cr")), ("ts_ms", 1), ("source", {"db": "shop"})]
        rng.shuffle(fields)
        lines.append(json_line(rng, dict(fields)))
    return "".join(line + "\n" for line in lines)


def read_debezium(text):
    changes = read_json(text)
    assert all(one["op"] == "c" and one["before"] is None for one in changes)
    return [one["after"] for one in changes]


def csv_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return repr(value) if isinstance(value, float) else str(value)


def write_csv(rng, rows):
    """A NULL is the literal, without quotes; everything else is in quotes, unless it is no text."""
    out = io.StringIO()
    end = rng.choice(["\n", "\r\n"])
    for row in rows:
        fields = []
        for value in row.values():
            text = "NULL" if value is None else csv_text(value)
            fields.append('"' + text.replace('"', '""') + '"' if isinstance(value, str) else text)
        out.write(",".join(fields) + end)
    return out.getvalue()


def read_csv(columns, text):
    """Python can't tell a NULL from the word in quotes: the words of `WORDS` that begin with it are left out."""
    rows = []
    for fields in csv.reader(io.StringIO(text, newline=""), strict=True):
        row = {}
        for (name, column), field in zip(columns.items(), fields, strict=True):
            if field == "NULL":
                row[name] = None
            elif column.kind == "BOOLEAN":
                row[name] = {"true": True, "false": False}[field]
            elif column.kind in ("INT", "BIGINT"):
                row[name] = int(field)
            else:
                row[name] = field
        rows.append(row)
    return rows


OPTIONS = {"json": "'json.encode.decimal-as-plain-number' = 'true'", "csv": "'csv.null-literal' = 'NULL'",
           "debezium-json": "'debezium-json.encode.decimal-as-plain-number' = 'true'"}


def table(name, form, columns, path):
    text = ", ".join(f"`{column}` {kind.sql()}" for column, kind in columns.items())
    return (f"CREATE TABLE {name} ({text}) WITH ('connector' = 'filesystem', 'format' = '{form}', "
            f"'path' = '{path}', {OPTIONS[form]});\n")


def run_sql(program, sql):
    done = subprocess.run([program, "sql", "-e", sql], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr + done.stdout)


def check_one(program, form, seed, folder):
    rng = random.Random(f"{form} {seed}")
    of_csv = form == "csv"
    columns = {f"c{i}": Column(rng, of_csv) for i in range(rng.randint(2, 6))}
    rows = [{name: column.value() for name, column in columns.items()} for _ in range(rng.choice([1, 10, 300]))]
    for row in rows if of_csv else []:
        row.update({name: "Null" for name, value in row.items() if value == "NULL"})
    text = write_csv(rng, rows) if of_csv else (write_json if form == "json" else write_debezium)(rng, rows)
    source = folder / f"source.{form}"
    source.write_bytes(text.encode())
    run_sql(program, "SET 'parallelism.default' = '1';\nSET 'table.dml-sync' = 'true';\n" +
            table("source", form, columns, source) + table("copied", form, columns, folder / "copied") +
            "INSERT INTO copied SELECT * FROM source;\n")
    written = "".join(path.read_bytes().decode() for path in sorted((folder / "copied").rglob("*"))
                      if path.is_file() and not path.name.startswith((".", "_")))
    found = read_csv(columns, written) if of_csv else (read_json if form == "json" else read_debezium)(written)
    for i, row in enumerate(rows):
        other = found[i] if i < len(found) else None
        if other is None or not all(column.alike(row[name], other.get(name)) for name, column in columns.items()):
            sys.exit(f"{form}, seed {seed}, row {i} of {len(rows)} ({len(found)} found):\n  {row}\n  {other}\n"
                     f"  {', '.join(column.sql() for column in columns.values())}")
    if len(found) != len(rows):
        sys.exit(f"{form}, seed {seed}: {len(rows)} rows, and {len(found)} are found")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program tidewheel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=100, help="of each format")
    parser.add_argument("--formats", default="json,csv,debezium-json")
    options = parser.parse_args()
    for form in options.formats.split(","):
        for seed in range(options.seed, options.seed + options.files):
            with tempfile.TemporaryDirectory(prefix="tidewheel-formats-") as folder:
                try:
                    check_one(options.program, form, seed, pathlib.Path(folder))
                except RuntimeError as failure:
                    sys.exit(f"{form}, seed {seed}: {failure}")
        print(f"{form}: {options.files} files, as they should be")


if __name__ == "__main__":
    main()
