#!/usr/bin/env python3
"""Makes what the TPC-H test compares with: data/ (scale 0.002, by tpchgen-cli) and golden/ (what
DuckDB answers to the same queries).

    python3 -m venv v && v/bin/pip install tpchgen-cli duckdb
    v/bin/python tests/tpch/make_data.py                      # anew, into the source tree
    v/bin/python tests/tpch/make_data.py --scale 0.01 --to /tmp/tpch   # larger, somewhere else

The texts of parts, orders and lines that no query looks at are left out: they are most of the bytes.
"""

import argparse
import csv
import gzip
import io
import pathlib
import subprocess
import sys
import tempfile

import duckdb

HERE = pathlib.Path(__file__).resolve().parent
TABLES = ["region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem"]
LEFT_OUT = {"lineitem": "l_comment", "partsupp": "ps_comment", "part": "p_comment",
            "orders": "o_clerk"}


def write_table(source, target, left_out):
    with open(source, newline="") as text:
        rows = list(csv.reader(text))
    if left_out is not None:
        column = rows[0].index(left_out)
        for row in rows[1:]:
            row[column] = ""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    # No time of making in it: the same data are the same bytes.
    with open(target, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(out.getvalue().encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", default="0.002")
    parser.add_argument("--to", type=pathlib.Path, default=HERE, help="folder of data/ and golden/")
    options = parser.parse_args()
    data, golden = options.to / "data", options.to / "golden"
    data.mkdir(parents=True, exist_ok=True)
    golden.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        tool = pathlib.Path(sys.executable).parent / "tpchgen-cli"
        subprocess.run([tool, "csv", "-s", options.scale, "-o", made], check=True)
        for table in TABLES:
            write_table(f"{made}/{table}.csv", data / f"{table}.csv.gz", LEFT_OUT.get(table))
    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(f"CREATE TABLE {table} AS FROM read_csv('{data}/{table}.csv.gz')")
    for query in sorted((HERE / "queries").glob("*.sql")):
        result = connection.execute(query.read_text())
        names = [column[0] for column in result.description]
        rows = result.fetchall()
        with open(golden / f"{query.stem}.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(rows)
        print(f"{query.stem}: {len(rows)} rows")


if __name__ == "__main__":
    main()
