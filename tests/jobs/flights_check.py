#!/usr/bin/env python3
"""Compares the results of the flights job with a computation of the same by DuckDB.

  flights_check.py PROGRAM DATA_DIRECTORY

Runs the job at parallelism 1, 2 and 4, and, on two months, with batches of one row. Which rows are late is part of the
comparison: in the order of the files, a row's watermark is the latest schedule before it, less 17 hours and
a millisecond."""
import csv
import datetime
import pathlib
import shutil
import subprocess
import sys
import tempfile

import duckdb

HOUR = 3_600_000
RUNS = (["-p", "1"], ["-p", "2"], ["-p", "4"])
SLOW_RUN = ["-p", "2", "-Dtaskmanager.batch-rows=1"]

# A row of `flights` is one of the files, in their order; `on_time` are those not behind the watermark.
TABLES = """
CREATE TABLE flights AS
  WITH numbered AS (
    SELECT row_number() OVER () AS number, * FROM read_csv({flights}, nullstr = 'NA', header = true,
      columns = {{'year': 'INT', 'month': 'INT', 'day': 'INT', 'dep_time': 'INT', 'sched_dep_time': 'INT',
        'dep_delay': 'INT', 'carrier': 'VARCHAR', 'flight': 'INT', 'tailnum': 'VARCHAR', 'origin': 'VARCHAR',
        'dest': 'VARCHAR', 'time_hour': 'TIMESTAMP'}})),
  timed AS (
    SELECT *, epoch_ms(time_hour) + (sched_dep_time % 100) * 60000 AS scheduled FROM numbered)
  SELECT *, dep_time IS NULL AS cancelled, scheduled // {hour} * {hour} AS hour,
    coalesce(max(scheduled) OVER (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
      - 17 * {hour} - 1, -9000000000000000) AS watermark
  FROM timed;
CREATE TABLE on_time AS SELECT * FROM flights WHERE scheduled > watermark;
CREATE TABLE planes AS SELECT tailnum, manufacturer, model, year
  FROM read_csv({planes}, nullstr = 'NA', all_varchar = true);
CREATE TABLE weather AS SELECT origin, epoch_ms(time_hour::TIMESTAMP) AS hour,
    visib::DOUBLE AS visib, precip::DOUBLE AS precip, wind_speed::DOUBLE AS wind_speed
  FROM read_csv({weather}, nullstr = 'NA', all_varchar = true);
"""

HOURLY = """
SELECT origin, hour, count(*), count(*) FILTER (cancelled), sum(dep_delay) FILTER (NOT cancelled),
  count(dep_delay) FILTER (NOT cancelled), list_sort(list(dep_delay) FILTER (NOT cancelled AND dep_delay IS NOT NULL))
FROM flights WHERE hour + {hour} - 1 > watermark GROUP BY origin, hour
"""

LATE = """
SELECT origin, carrier, flight, tailnum, scheduled, dep_delay FROM flights WHERE hour + {hour} - 1 <= watermark
"""

# A pause of exactly 24 hours joins two rows, unless the first one's session had ended when the second came.
SESSIONS = """
WITH ordered AS (
  SELECT *, scheduled - lag(scheduled) OVER (PARTITION BY tailnum ORDER BY scheduled, number) AS pause
  FROM on_time WHERE tailnum IS NOT NULL),
numbered AS (
  SELECT *, sum(CASE WHEN pause IS NULL OR pause > 24 * {hour} OR (pause = 24 * {hour} AND watermark >= scheduled - 1)
                THEN 1 ELSE 0 END) OVER (PARTITION BY tailnum ORDER BY scheduled, number) AS session
  FROM ordered)
SELECT tailnum, min(scheduled), max(scheduled) + 24 * {hour}, count(*), count(*) FILTER (cancelled),
  coalesce(sum(dep_delay), 0)
FROM numbered GROUP BY tailnum, session
"""

DEPARTURES = """
SELECT tailnum, scheduled, dep_delay FROM on_time
WHERE tailnum IS NOT NULL AND NOT cancelled AND dep_delay IS NOT NULL
ORDER BY tailnum, scheduled, carrier, flight, dest
"""

WEATHER = """
SELECT f.origin, f.scheduled, f.carrier, f.flight, f.dep_delay, w.visib, w.precip, w.wind_speed
FROM on_time f JOIN weather w ON f.origin = w.origin AND f.scheduled - w.hour BETWEEN 0 AND {hour} - 1
WHERE f.dep_delay > 60
"""

COUNTS = """
SELECT count(*), count(*) FILTER (cancelled), count(*) FILTER (tailnum IS NULL),
  count(*) FILTER (scheduled <= watermark), 0
FROM flights
"""


def mean(total, count):
    """In thousandths, rounded half away from zero."""
    doubled = 2 * 1000 * abs(total) + count
    rounded = doubled // (2 * count)
    return rounded if total >= 0 else -rounded


def hourly(rows):
    for origin, hour, flights, cancelled, total, departed, delays in rows:
        if departed:
            yield origin, hour, flights, cancelled, mean(total, departed), delays[(departed * 95 + 99) // 100 - 1]
        else:
            yield origin, hour, flights, cancelled, None, None


def alerts(departures, planes):
    aircraft, streak = None, []
    for tailnum, scheduled, delay in departures:
        if tailnum != aircraft:
            aircraft, streak = tailnum, []
        streak = streak + [delay] if delay > 60 else []
        if len(streak) == 3:
            yield (tailnum, scheduled, *streak, *planes.get(tailnum, (None, None, None)))
            streak = []


def expected(data):
    """The five results, and the counters."""
    database = duckdb.connect()
    places = {
        "flights": [str(path) for path in sorted(data.glob("flights*.csv*"))],
        "planes": str(next(data.glob("planes.csv*"))),
        "weather": str(next(data.glob("weather.csv*"))),
    }
    database.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            database.execute(statement.format(hour=HOUR, **{name: repr(place) for name, place in places.items()}))

    def query(text):
        return database.execute(text.format(hour=HOUR)).fetchall()

    planes = {row[0]: row[1:3] + (int(row[3]) if row[3] else None,)
              for row in query("SELECT tailnum, manufacturer, model, year FROM planes")}
    names = ("rows read", "cancelled", "without tail number", "late rows", "malformed records")
    return {
        "hourly": list(hourly(query(HOURLY))),
        "late": query(LATE),
        "sessions": query(SESSIONS),
        "alerts": list(alerts(query(DEPARTURES), planes)),
        "weather": query(WEATHER),
    }, dict(zip(names, query(COUNTS)[0]))


def time(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def thousandths(text):
    assert text[-4] == ".", text
    return int(text.replace(".", ""))


COLUMNS = {
    "hourly": {"origin": str, "window_start": time, "flights": int, "cancelled": int, "mean_delay": thousandths,
               "p95_delay": int},
    "late": {"origin": str, "carrier": str, "flight": int, "tailnum": str, "scheduled": time, "delay": int},
    "sessions": {"tailnum": str, "start": time, "end": time, "legs": int, "cancelled": int, "delay_minutes": int},
    "alerts": {"tailnum": str, "at": time, "first": int, "second": int, "third": int, "manufacturer": str,
               "model": str, "year": int},
    "weather": {"origin": str, "scheduled": time, "carrier": str, "flight": int, "delay": int, "visib": float,
                "precip": float, "wind_speed": float},
}


def read(folder, columns):
    """The rows of all parts, with None for what is empty."""
    rows = []
    for path in sorted(folder.glob("*")):
        with open(path, newline="", encoding="utf-8") as file:
            parts = csv.reader(file)
            assert next(parts) == list(columns), f"the header of {path}"
            for row in parts:
                rows.append(tuple(None if text == "" else kind(text) for kind, text in zip(columns.values(), row, strict=True)))
    return rows


def ordered(rows):
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row])


def compare(name, found, wanted):
    """Says what differs; returns whether nothing does."""
    found, wanted = ordered(found), ordered(wanted)
    if found == wanted:
        return True
    missing, extra = set(wanted) - set(found), set(found) - set(wanted)
    print(f"{name}: {len(found)} rows, not {len(wanted)}; {len(missing)} missing, {len(extra)} not expected")
    for title, rows in (("missing", missing), ("not expected", extra)):
        for row in ordered(rows)[:5]:
            print(f"  {title}: {row}")
    return False


def counters(output):
    lines = output.split("\nCounted\n")[1].split("\n\n")[0].splitlines()
    return {line[:22].strip(): int(line[22:]) for line in lines}


def check(program, data, arguments, results, counts):
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "out"
        command = [program, "--data", str(data), "--out", str(out), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)}: status {run.returncode}\n{run.stderr}")
        same = [compare(name, read(out / name, COLUMNS[name]), rows) for name, rows in results.items()]
    if counters(run.stdout) != counts:
        print(f"counted {counters(run.stdout)}, not {counts}")
        same.append(False)
    print(f"{' '.join(arguments)}: {'the same' if all(same) else 'DIFFERENT'}; {run.stdout.splitlines()[-2]}")
    return all(same)


def check_all(program, data, runs):
    results, counts = expected(data)
    print("expected rows:", ", ".join(f"{name} {len(rows)}" for name, rows in results.items()))
    return [check(program, data, arguments, results, counts) for arguments in runs]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, data = sys.argv[1], pathlib.Path(sys.argv[2])
    same = check_all(program, data, RUNS)
    with tempfile.TemporaryDirectory() as scratch:
        for path in [*sorted(data.glob("flights*"))[:2], *data.glob("planes*"), *data.glob("weather*")]:
            shutil.copy(path, scratch)
        same += check_all(program, pathlib.Path(scratch), [SLOW_RUN])
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
