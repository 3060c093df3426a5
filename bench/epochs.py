#!/usr/bin/env python3
"""What 'consistency' = 'epoch' costs, and that it is exact: transfers between accounts, each of which debits one and credits
another. Each query runs with `eventual` and with `epoch` in turn; the total over all balances is looked at in everything that is given.

  bench/epochs.py [--program build/release/bin/tidewheel] [--rows 10000000] [--accounts 100000] [--runs 3] [--parallelism 2] [--json FILE]"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Each into a table that does nothing, so that what is measured is the job and not who reads it.
QUERIES = {
    "append": ("SELECT debit, credit, amount FROM transfers WHERE amount > 1", "a INT, b INT, c BIGINT"),
    "aggregate": ("SELECT debit, SUM(amount) FROM transfers GROUP BY debit", "a INT, b BIGINT"),
    "united": ("SELECT account, balance FROM balances", "a INT, b BIGINT"),
    "total": ("SELECT SUM(balance) FROM balances", "a BIGINT"),
    "joined": ("SELECT d.account, d.balance + c.balance FROM debits AS d JOIN credits AS c ON d.account = c.account",
               "a INT, b BIGINT"),
}
VIEWS = """
CREATE VIEW debits AS SELECT debit AS account, -SUM(amount) AS balance FROM transfers GROUP BY debit;
CREATE VIEW credits AS SELECT credit AS account, SUM(amount) AS balance FROM transfers GROUP BY credit;
CREATE VIEW balances AS SELECT * FROM debits UNION ALL SELECT * FROM credits;
"""


def tables(options):
    last = options.accounts - 1
    return f"""
SET 'parallelism.default' = '{options.parallelism}';
SET 'table.dml-sync' = 'true';
CREATE TABLE transfers (debit INT, credit INT, amount BIGINT) WITH ('connector' = 'datagen',
  'number-of-rows' = '{options.rows}', 'rows-per-second' = '1000000000',
  'fields.debit.min' = '0', 'fields.debit.max' = '{last}', 'fields.credit.min' = '0', 'fields.credit.max' = '{last}',
  'fields.amount.min' = '1', 'fields.amount.max' = '1000');
{VIEWS}"""


def run(options, script, arguments=()):
    began = time.monotonic()
    done = subprocess.run([options.program, "sql", *arguments, "-e", script], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout)
    return time.monotonic() - began, done.stdout


def script_of(options, consistency, name):
    query, columns = QUERIES[name]
    return f"""{tables(options)}
SET 'consistency' = '{consistency}';
CREATE TABLE nowhere ({columns}) WITH ('connector' = 'blackhole');
INSERT INTO nowhere {query};"""


def check_total(options):
    """Every total that `epoch` gives is 0; of those that `eventual` gives, how many are not."""
    wrong = {}
    for consistency in ("epoch", "eventual"):
        script = f"{tables(options)} SET 'consistency' = '{consistency}'; SELECT SUM(balance) FROM balances;"
        _, text = run(options, script, ["--changelog"])
        totals = [line.split("|")[-1].strip() for line in text.splitlines() if line[:2] in ("+I", "+U", "-U", "-D")]
        wrong[consistency] = (sum(total != "0" for total in totals), len(totals))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/tidewheel"))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--parallelism", type=int, default=2)
    parser.add_argument("--queries", default=",".join(QUERIES))
    parser.add_argument("--no-check", action="store_true", help="only times")
    parser.add_argument("--json")
    options = parser.parse_args()

    print(f"{options.rows} transfers between {options.accounts} accounts, {options.parallelism} subtasks, "
          f"medians of {options.runs} runs (least, most)")
    results = {}
    for name in options.queries.split(","):
        times = {"eventual": [], "epoch": []}
        for _ in range(options.runs):
            for consistency, seconds in times.items():
                seconds.append(run(options, script_of(options, consistency, name))[0])
        medians = {consistency: statistics.median(seconds) for consistency, seconds in times.items()}
        cost = medians["epoch"] / medians["eventual"] - 1
        results[name] = {"seconds": times, "cost": cost}
        shown = ", ".join(f"{consistency} {medians[consistency]:.2f} s ({min(seconds):.2f}, {max(seconds):.2f})"
                          for consistency, seconds in times.items())
        print(f"{name:10} {shown}: {100 * cost:+.1f} %", flush=True)
    exact = True
    if not options.no_check:
        wrong = check_total(options)
        results["totals"] = wrong
        exact = wrong["epoch"][0] == 0 and wrong["epoch"][1] > 0
        for consistency, (bad, seen) in wrong.items():
            print(f"{consistency}: {bad} of {seen} totals that were given are not 0")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=2) + "\n")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
