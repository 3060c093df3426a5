#!/usr/bin/env python3
"""Runs the queries of TPC-H over streamed tables, and compares what there is at the end with what
DuckDB answers (golden/, see make_data.py).

    tests/tpch/run.py build/release/bin/tidewheel [--parallelism 3] [--query q09] [--from DIR]

Also fails when a plan joins all rows with all where keys could be had, which the order of FROM would
ask for in q02, q08 and q09.
"""

import argparse
import csv
import decimal
import io
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# Queries that compare with a value of a whole table: that is joined without a key.
WITHOUT_KEY = {"q11", "q22"}


def same(a, b):
    if a == b:
        return True
    try:
        x, y = decimal.Decimal(a), decimal.Decimal(b)
    except decimal.InvalidOperation:
        return False
    # Decimals keep other digits than DuckDB's, whose averages are doubles.
    return abs(x - y) <= max(abs(x), abs(y)) * decimal.Decimal("1e-5") + decimal.Decimal("1e-6")


def rows_of(text):
    return [row for row in csv.reader(io.StringIO(text))][1:]


def differs(found, wanted):
    if len(found) != len(wanted):
        return f"{len(found)} rows, and not {len(wanted)}"
    for i, (a, b) in enumerate(zip(found, wanted)):
        if len(a) != len(b) or not all(same(x, y) for x, y in zip(a, b)):
            return f"row {i + 1} is {a}, and not {b}"
    return None


def run(options, tables, name, explain):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        query = (HERE / "queries" / f"{name}.sql").read_text()
        script.write(("EXPLAIN " if explain else "") + query.rstrip().rstrip(";") + ";\n")
        script.flush()
        return subprocess.run(
            [options.program, "sql", "--csv", f"-Dparallelism.default={options.parallelism}", "-i",
             tables, "-f", script.name], capture_output=True, text=True, timeout=120)


def check(options, tables, name):
    plan = run(options, tables, name, explain=True)
    if plan.returncode != 0:
        return plan.stderr.strip()
    physical = plan.stdout.partition("== Optimized Physical Plan ==")[2].partition("\n==")[0]
    if not physical:
        return f"EXPLAIN has no physical plan:\n{plan.stdout}"
    crosses = physical.count("on=[]")
    if crosses > (1 if name in WITHOUT_KEY else 0):
        return f"the plan joins without keys:\n{plan.stdout}"
    result = run(options, tables, name, explain=False)
    if result.returncode != 0:
        return result.stderr.strip()
    wanted = (options.source / "golden" / f"{name}.csv").read_text()
    return differs(rows_of(result.stdout), rows_of(wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--parallelism", default="1")
    parser.add_argument("--query", action="append", help="only this one; may be given again")
    parser.add_argument("--from", dest="source", type=pathlib.Path, default=HERE,
                        help="folder of data/ and golden/")
    options = parser.parse_args()
    names = options.query or sorted(path.stem for path in (HERE / "queries").glob("*.sql"))
    failures = 0
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as tables:
        text = (HERE / "tables.sql").read_text()
        text = text.replace("${DATA}", str(options.source / "data")).replace("${SUFFIX}", ".gz")
        tables.write(text)
        tables.flush()
        for name in names:
            began = time.monotonic()
            problem = check(options, tables.name, name)
            failures += problem is not None
            print(f"{name}: {problem or 'ok'} ({time.monotonic() - began:.2f} s)", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
