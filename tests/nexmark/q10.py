#!/usr/bin/env python3
"""Nexmark's q10, bids into files of a folder for each minute, beside what Apache Flink writes.

  q10.py TIDEWHEEL             runs it, and compares with q10.golden
  q10.py --flink > q10.golden  what Flink writes (in an environment with apache-flink==1.20.1)

A line of q10.golden is a partition: its folder, how many rows it has, what they are (a hash of their
values in order: Flink leaves out the last zeros of a time, and quotes more), and whether a file says
that it is complete. The bids are made here, out of order and over midnight, with what CSV has to
quote."""
import csv
import hashlib
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BIDS = 20_000
EXTRAS = ["plain", 'with "quotes"', "with, commas", "", "ümläut", "back\\slash", "two  blanks", "it's"]


def random_numbers(seed):
    """Numbers below 2^31 that are the same with every version of Python (MMIX's generator)."""
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 33


def write_bids(path):
    """Two minutes before midnight and four after it, up to two seconds out of order."""
    number = random_numbers(10)
    lines = []
    for i in range(BIDS):
        ms = (23 * 60 + 58) * 60_000 + i * 18 + next(number) % 2000
        day, ms = 15 + ms // 86_400_000, ms % 86_400_000
        time = f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
        extra = EXTRAS[next(number) % len(EXTRAS)].replace('"', '""')
        lines.append(f'{next(number) % 1000},{next(number) % 100},{next(number)},2015-07-{day} {time},"{extra}"\n')
    path.write_text("".join(lines), encoding="utf-8")


def values(row):
    """The values of a row as one text; the time with all three digits behind the point."""
    row[3] = (row[3] if "." in row[3] else row[3] + ".").ljust(len("2015-07-15 00:00:00.000"), "0")
    return "\t".join(row)


def found_in(folder):
    lines = []
    for partition in sorted(folder.glob("dt=*/hm=*")):
        rows = []
        for file in partition.iterdir():
            if not file.name.startswith(("_", ".")):
                with file.open(encoding="utf-8", newline="") as text:
                    rows += map(values, csv.reader(text))
        digest = hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
        complete = "complete" if (partition / "_SUCCESS").is_file() else "open"
        lines.append(f"{partition.relative_to(folder)} {len(rows)} {digest} {complete}\n")
    return lines


def run_flink(statements):
    from pyflink.table import EnvironmentSettings, TableEnvironment
    flink = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for key, value in {"parallelism.default": "1", "execution.checkpointing.interval": "200 ms"}.items():
        flink.get_config().set(key, value)
    for statement in statements.split(";\n"):
        if statement.strip():
            flink.execute_sql(statement).wait()


def main():
    with tempfile.TemporaryDirectory(prefix="q10-") as scratch:
        scratch = pathlib.Path(scratch)
        write_bids(scratch / "bids.csv")
        statements = (HERE / "q10.sql").read_text(encoding="utf-8")
        statements = statements.replace("{bids}", str(scratch / "bids.csv")).replace("{log}", str(scratch / "log"))
        if sys.argv[1] == "--flink":
            run_flink(statements)
            sys.stdout.writelines(found_in(scratch / "log"))
            return 0
        for parallelism in (1, 3):
            run = subprocess.run([sys.argv[1], "sql", "-D", f"parallelism.default={parallelism}", "-e", statements],
                                 capture_output=True, text=True, timeout=120, check=False)
            if run.returncode != 0:
                print(run.stdout + run.stderr)
                return 1
            found = found_in(scratch / "log")
            golden = (HERE / "q10.golden").read_text(encoding="utf-8").splitlines(True)
            if found != golden:
                print(f"parallelism {parallelism}: Flink wrote\n{''.join(golden)}and Tidewheel\n{''.join(found)}")
                return 1
            subprocess.run(["rm", "-r", str(scratch / "log")], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
