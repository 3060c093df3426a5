#!/usr/bin/env python3
"""Compares the format parquet with pyarrow and DuckDB: tables of random columns are written by pyarrow, copied by
the program (FROM 'x.parquet', CREATE TABLE .. AS), and read again by both.

    build/pyarrow/bin/python -m pip install duckdb
    build/pyarrow/bin/python tests/parquet/run.py build/release/bin/tidewheel --seed 1 --files 50
    build/pyarrow/bin/python tests/parquet/run.py --corpus tests/fuzz/corpus/parquet_fuzz   (makes the fuzz target's files)
"""

import argparse
import datetime
import decimal
import pathlib
import random
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

try:
    import duckdb
except ImportError:
    duckdb = None

CODECS = ["NONE", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4"]
EPOCH = datetime.datetime(1970, 1, 1)
PLAIN = [pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(),
         pa.binary(), pa.date32(), pa.time32("ms"), pa.timestamp("ms"), pa.timestamp("us"),
         pa.timestamp("us", "UTC"), pa.decimal128(9, 2), pa.decimal128(30, 5)]


class Maker:
    """Random types that columns can have, and values of them."""

    def __init__(self, rng):
        self.rng = rng

    def type(self, depth=0):
        roll = self.rng.random()
        if depth < 2 and roll < 0.1:
            return pa.list_(self.type(depth + 1))
        if depth < 2 and roll < 0.2:
            return pa.struct([(f"f{i}", self.type(depth + 1)) for i in range(self.rng.randint(1, 3))])
        if depth < 2 and roll < 0.27:
            return pa.map_(pa.string(), self.type(depth + 1))
        return self.rng.choice(PLAIN)

    def value(self, kind):
        rng = self.rng
        if rng.random() < 0.15:
            return None
        if pa.types.is_list(kind):
            return [self.value(kind.value_type) for _ in range(rng.choice([0, 1, 3, 20]))]
        if pa.types.is_struct(kind):
            return {kind.field(i).name: self.value(kind.field(i).type) for i in range(kind.num_fields)}
        if pa.types.is_map(kind):
            return [(f"k{i}", self.value(kind.item_type)) for i in range(rng.choice([0, 1, 3]))]
        if pa.types.is_boolean(kind):
            return rng.random() < 0.5
        if pa.types.is_integer(kind):
            most = 2 ** (kind.bit_width - 1)
            return rng.choice([0, most - 1, -most, rng.randrange(-most, most)])
        if pa.types.is_floating(kind):
            return rng.choice([0.0, -1.5, 0.25, 2.0 ** 100])
        if pa.types.is_string(kind):
            return rng.choice(["", "x", "käse", "語" * 30])
        if pa.types.is_binary(kind):
            return rng.randbytes(rng.choice([0, 1, 30]))
        if pa.types.is_date(kind):
            return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randint(-10_000, 100_000))
        if pa.types.is_time(kind):
            return (EPOCH + datetime.timedelta(milliseconds=rng.randrange(86_400_000))).time()
        if pa.types.is_timestamp(kind):
            unit = {"ms": "milliseconds", "us": "microseconds"}[kind.unit]
            moment = EPOCH + datetime.timedelta(**{unit: rng.randint(-2 ** 40, 2 ** 40)})
            return moment.replace(tzinfo=datetime.timezone.utc) if kind.tz else moment
        unscaled = rng.choice([-1, 1]) * rng.randrange(10 ** rng.randint(0, kind.precision))
        with decimal.localcontext() as context:
            context.prec = 60
            return decimal.Decimal(unscaled).scaleb(-kind.scale)

    def table(self, rows):
        fields, arrays = [], []
        for i in range(self.rng.randint(1, 8)):
            kind = self.type()
            values = [self.value(kind) for _ in range(rows)]
            nullable = any(value is None for value in values) or self.rng.random() < 0.5 or pa.types.is_nested(kind)
            fields.append(pa.field(f"c{i}", kind, nullable))
            arrays.append(pa.array(values, kind))
        return pa.table(arrays, schema=pa.schema(fields))


def run_sql(program, sql):
    done = subprocess.run([program, "sql", "-e", sql], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(sql + done.stderr + done.stdout)


def parts_of(folder):
    return [path for path in sorted(folder.rglob("*.parquet")) if not path.name.startswith(".")]


def compare(what, seed, expected, found):
    if expected == found:
        return
    for i, one in enumerate(expected):
        if i >= len(found) or one != found[i]:
            print(f"{what}, seed {seed}, row {i}:\n  {one}\n  {found[i] if i < len(found) else None}")
            break
    sys.exit(f"{what}: seed {seed} differs, {len(expected)} rows and {len(found)}")


def check_one(program, seed, folder):
    rng = random.Random(seed)
    table = Maker(rng).table(rng.choice([0, 1, 10, 3000]))
    source = folder / "source.parquet"
    pq.write_table(table, source, compression=rng.choice(CODECS), row_group_size=rng.choice([7, 1000, 100_000]),
                   use_dictionary=rng.random() < 0.5, data_page_version=rng.choice(["1.0", "2.0"]))
    codec = rng.choice(["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4", "BROTLI"])
    run_sql(program, "SET 'parallelism.default' = '1';\nSET 'table.dml-sync' = 'true';\n"
            f"CREATE TABLE copied WITH ('connector' = 'filesystem', 'path' = '{folder / 'copied'}', "
            f"'format' = 'parquet', 'parquet.compression' = '{codec}', 'parquet.write.int64.timestamp' = 'true') "
            f"AS SELECT * FROM '{source}';")
    parts = parts_of(folder / "copied")
    if table.num_rows == 0 and not parts:
        return
    expected = table.to_pylist()
    compare("pyarrow", seed, expected, [row for part in parts for row in pq.read_table(part).to_pylist()])
    if duckdb is not None:
        names = [str(part) for part in parts]
        ours = duckdb.sql(f"SELECT * FROM read_parquet({names})").fetchall()
        theirs = duckdb.sql(f"SELECT * FROM read_parquet('{source}')").fetchall()
        compare("DuckDB", seed, theirs, ours)


def make_corpus(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(6):
        rng = random.Random(seed)
        pq.write_table(Maker(rng).table(5), folder / f"case{seed}", compression=CODECS[seed],
                       data_page_version=["1.0", "2.0"][seed % 2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the program tidewheel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--corpus", type=pathlib.Path, help="make the fuzz target's files in this folder")
    options = parser.parse_args()
    if options.corpus is not None:
        return make_corpus(options.corpus)
    if options.program is None:
        parser.error("which program?")
    for seed in range(options.seed, options.seed + options.files):
        with tempfile.TemporaryDirectory() as folder:
            check_one(options.program, seed, pathlib.Path(folder))
    print(f"{options.files} files, from seed {options.seed} on: as pyarrow{' and DuckDB have' if duckdb else ' has'} them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
