#!/usr/bin/env python3
"""Compares the format avro with fastavro: files of random schemas and records are written by fastavro,
read and written again by the program, and read by fastavro; and files are read by other schemas than
those that wrote them, by both.

    python3 -m venv v && v/bin/pip install fastavro cramjam backports.zstd
    v/bin/python tests/avro/run.py build/release/bin/tidewheel --seed 1 --files 200
    v/bin/python tests/avro/run.py --golden tests/data/avro      (makes the files of the unit test)
"""

import argparse
import datetime
import decimal
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import fastavro

CODECS = ["null", "deflate", "snappy", "zstandard"]
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


class Maker:
    """Schemas that columns can have, and records of them."""

    def __init__(self, rng):
        self.rng = rng
        self.names = 0

    def name(self):
        self.names += 1
        return f"n{self.names}"

    def record(self, depth=0):
        fields = [{"name": self.name(), "type": self.type(depth)} for _ in range(self.rng.randint(1, 6))]
        return {"type": "record", "name": self.name(), "fields": fields}

    def type(self, depth):
        plain = self.plain(depth)
        if self.rng.random() < 0.4:
            return ["null", plain] if self.rng.random() < 0.7 else [plain, "null"]
        return plain

    def plain(self, depth):
        choices = ["boolean", "int", "long", "float", "double", "bytes", "string",
                   {"type": "int", "logicalType": "date"},
                   {"type": "int", "logicalType": "time-millis"},
                   {"type": "long", "logicalType": "timestamp-millis"},
                   {"type": "long", "logicalType": "timestamp-micros"},
                   {"type": "long", "logicalType": "local-timestamp-millis"},
                   {"type": "long", "logicalType": "local-timestamp-micros"},
                   {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}]
        roll = self.rng.random()
        if depth < 3 and roll < 0.12:
            return {"type": "array", "items": self.type(depth + 1)}
        if depth < 3 and roll < 0.2:
            return {"type": "map", "values": self.type(depth + 1)}
        if depth < 3 and roll < 0.3:
            return self.record(depth + 1)
        if roll < 0.36:
            return {"type": "enum", "name": self.name(), "symbols": ["A", "B", "Cc"]}
        if roll < 0.42:
            return {"type": "fixed", "name": self.name(), "size": self.rng.randint(1, 20)}
        if roll < 0.48:
            return {"type": "fixed", "name": self.name(), "size": 9, "logicalType": "decimal",
                    "precision": 18, "scale": 2}
        return self.rng.choice(choices)

    def value(self, schema):
        rng = self.rng
        if isinstance(schema, list):
            return self.value(rng.choice(schema))
        kind = schema if isinstance(schema, str) else schema["type"]
        logical = schema.get("logicalType") if isinstance(schema, dict) else None
        if logical == "decimal":
            digits = rng.randint(0, schema["precision"])
            unscaled = rng.choice([-1, 1]) * rng.randrange(10 ** digits)
            with decimal.localcontext() as context:
                context.prec = 60
                return decimal.Decimal(unscaled).scaleb(-schema["scale"])
        if logical == "date":
            return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randint(-100_000, 100_000))
        if logical == "time-millis":
            return (EPOCH + datetime.timedelta(milliseconds=rng.randrange(86_400_000))).time()
        if logical is not None:
            unit = "milliseconds" if logical.endswith("millis") else "microseconds"
            moment = EPOCH + datetime.timedelta(**{unit: rng.randint(-2 ** 42, 2 ** 42)})
            return moment.replace(tzinfo=None) if logical.startswith("local") else moment
        if kind == "record":
            return {field["name"]: self.value(field["type"]) for field in schema["fields"]}
        if kind == "array":
            return [self.value(schema["items"]) for _ in range(rng.choice([0, 1, 2, 5, 40]))]
        if kind == "map":
            return {f"k{i}": self.value(schema["values"]) for i in range(rng.choice([0, 1, 2, 40]))}
        if kind == "enum":
            return rng.choice(schema["symbols"])
        if kind == "fixed":
            return rng.randbytes(schema["size"])
        return {"null": lambda: None,
                "boolean": lambda: rng.random() < 0.5,
                "int": lambda: rng.choice([0, -1, 2 ** 31 - 1, -2 ** 31, rng.randint(-1000, 1000)]),
                "long": lambda: rng.choice([0, 2 ** 63 - 1, -2 ** 63, rng.getrandbits(40)]),
                "float": lambda: rng.choice([0.0, -1.5, 0.25, 2.0 ** 100]),
                "double": lambda: rng.choice([0.0, rng.random() * 1e300, -rng.random()]),
                "bytes": lambda: rng.randbytes(rng.choice([0, 1, 30])),
                "string": lambda: rng.choice(["", "x", "käse\n\"\\", "語" * 20])}[kind]()

    def read_as(self, schema):
        """Another schema by which a file of this one can be read."""
        fields = []
        for field in schema["fields"]:
            if self.rng.random() < 0.3:
                continue
            wider = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"]}
            kind = field["type"]
            if isinstance(kind, str) and kind in wider and self.rng.random() < 0.5:
                kind = self.rng.choice(wider[kind])
            if not isinstance(kind, list) and self.rng.random() < 0.3:
                kind = ["null", kind]
            fields.append({"name": field["name"], "type": kind})
        fields.append({"name": "added", "type": "long", "default": 7})
        fields.append({"name": "noted", "type": ["null", "string"], "default": None})
        fields.append({"name": "tagged", "type": {"type": "array", "items": "string"}, "default": ["a", "b"]})
        self.rng.shuffle(fields)
        return {"type": "record", "name": schema["name"], "fields": fields}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def sql_type(schema):
    if isinstance(schema, list):
        kinds = [one for one in schema if one != "null"]
        return sql_type(kinds[0]).removesuffix(" NOT NULL")
    kind = schema if isinstance(schema, str) else schema["type"]
    logical = schema.get("logicalType") if isinstance(schema, dict) else None
    if logical == "decimal":
        text = f"DECIMAL({schema['precision']}, {schema['scale']})"
    elif logical == "date":
        text = "DATE"
    elif logical == "time-millis":
        text = "TIME(3)"
    elif logical is not None:
        digits = 3 if logical.endswith("millis") else 6
        text = f"TIMESTAMP({digits})" if logical.startswith("local") else f"TIMESTAMP_LTZ({digits})"
    elif kind == "record":
        text = "ROW<" + ", ".join(f"`{f['name']}` {sql_type(f['type'])}" for f in schema["fields"]) + ">"
    elif kind == "array":
        text = f"ARRAY<{sql_type(schema['items'])}>"
    elif kind == "map":
        text = f"MAP<STRING NOT NULL, {sql_type(schema['values'])}>"
    else:
        text = {"boolean": "BOOLEAN", "int": "INT", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
                "bytes": "BYTES", "fixed": "BYTES", "string": "STRING", "enum": "STRING"}[kind]
    return text + " NOT NULL"


def table(name, schema, path, extra=""):
    columns = ", ".join(f"`{field['name']}` {sql_type(field['type'])}" for field in schema["fields"])
    return (f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'format' = 'avro', "
            f"'path' = {quoted(str(path))}, 'avro.schema' = {quoted(json.dumps(schema))}{extra});\n")


def run_sql(program, sql):
    done = subprocess.run([program, "sql", "-e", sql], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr + done.stdout)


def read_folder(folder):
    records = []
    for path in sorted(folder.rglob("*.avro")):
        if not path.name.startswith("."):
            with path.open("rb") as file:
                records += list(fastavro.reader(file))
    return records


def compare(what, seed, expected, found):
    if expected == found:
        return
    for i, one in enumerate(expected):
        if i >= len(found) or one != found[i]:
            print(f"{what}, seed {seed}, record {i}:\n  {one}\n  {found[i] if i < len(found) else None}")
            break
    sys.exit(f"{what}: seed {seed} differs, {len(expected)} records and {len(found)}")


def check_one(program, seed, folder):
    rng = random.Random(seed)
    maker = Maker(rng)
    schema = maker.record()
    records = [maker.value(schema) for _ in range(rng.choice([0, 1, 10, 300]))]
    source = folder / "source.avro"
    with source.open("wb") as file:
        fastavro.writer(file, schema, records, codec=rng.choice(CODECS), sync_interval=rng.choice([100, 16_000]))
    other = maker.read_as(schema)
    with source.open("rb") as file:
        as_other = list(fastavro.reader(file, reader_schema=other))
    codec = f", 'avro.codec' = '{rng.choice(CODECS)}'"
    sql = table("source", schema, source) + table("copied", schema, folder / "copied", codec)
    sql += table("other", other, source) + table("as_other", other, folder / "as_other", codec)
    sql += "INSERT INTO copied SELECT * FROM source;\nINSERT INTO as_other SELECT * FROM other;\n"
    run_sql(program, "SET 'parallelism.default' = '1';\nSET 'table.dml-sync' = 'true';\n" + sql)
    compare("the same schema", seed, records, read_folder(folder / "copied"))
    compare("another schema", seed, as_other, read_folder(folder / "as_other"))


GOLDEN_SCHEMA = {
    "type": "record", "name": "shop.Order", "fields": [
        {"name": "id", "type": "long"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "counts", "type": {"type": "map", "values": ["int", "null"]}},
        {"name": "place", "type": ["null", {"type": "record", "name": "Place", "fields": [
            {"name": "city", "type": "string"}, {"name": "zip", "type": ["null", "int"]}]}]},
        {"name": "weight", "type": "double"}, {"name": "good", "type": "boolean"}]}


def make_golden(folder):
    folder.mkdir(parents=True, exist_ok=True)
    records = [{"id": i * 1_000_003 - 5, "state": ["NEW", "PAID"][i % 2], "note": None if i % 3 else f"n{i}",
                "price": decimal.Decimal(i * 12345 - 100).scaleb(-2), "hash": bytes([65 + i % 26, 66]),
                "day": datetime.date(1969, 12, 30) + datetime.timedelta(days=i),
                "at": EPOCH + datetime.timedelta(microseconds=i * 86_400_000_123 - 1),
                "tags": ["t"] * (i % 4), "counts": {"a": i, "b": None} if i % 2 else {},
                "place": {"city": "Ulm", "zip": 89073 + i} if i % 5 else None,
                "weight": i / 8, "good": i % 2 == 0} for i in range(100)]
    for codec in CODECS:
        with (folder / f"{codec}.avro").open("wb") as file:
            fastavro.writer(file, GOLDEN_SCHEMA, records, codec=codec, sync_interval=1000,
                            sync_marker=b"0123456789abcdef")
    with (folder / "rows.txt").open("w") as file:
        for r in records:
            place = "NULL" if r["place"] is None else f"({r['place']['city']}, {r['place']['zip']})"
            counts = "{" + ", ".join(f"{k}={'NULL' if v is None else v}" for k, v in r["counts"].items()) + "}"
            at = r["at"].strftime("%Y-%m-%d %H:%M:%S.%f")
            file.write(f"[{r['id']}, {r['state']}, {r['note'] or 'NULL'}, {r['price']}, {r['hash'].decode()}, "
                       f"{r['day']}, {at}, [{', '.join(r['tags'])}], {counts}, {place}, {r['weight']}, "
                       f"{str(r['good']).upper()}]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the program tidewheel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--golden", type=pathlib.Path, help="make the unit test's files in this folder")
    options = parser.parse_args()
    if options.golden is not None:
        return make_golden(options.golden)
    if options.program is None:
        parser.error("which program?")
    for seed in range(options.seed, options.seed + options.files):
        with tempfile.TemporaryDirectory() as folder:
            check_one(options.program, seed, pathlib.Path(folder))
    print(f"{options.files} files, from seed {options.seed} on: as fastavro has them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
