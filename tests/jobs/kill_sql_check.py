#!/usr/bin/env python3
"""Kills INSERTs with SIGKILL at random moments and has them go on from their newest checkpoints.

Partitions that are announced (`success-file`) have all their rows, at every moment and in the end. Rows that come too
late, and lines that can't be read, are in the tables that are named for them: each once.

    tests/jobs/kill_sql_check.py build/release/bin/tidewheel --kills 6 --seed 1

Without --kafka lines come from files, with it from a topic of the broker TIDEWHEEL_KAFKA_BOOTSTRAP.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 120

SETTINGS = """SET 'table.dml-sync' = 'true';
SET 'parallelism.default' = '{parallelism}';
SET 'execution.checkpointing.interval' = '50 ms';
SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
SET 'pipeline.name' = '{job}';
"""

ROWS_A_PARTITION = 1_000
PARTITIONS = """CREATE TABLE numbers (id BIGINT, ts AS TO_TIMESTAMP_LTZ(id * {step_ms}, 3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{last}',
  'rows-per-second' = '{rate}');
CREATE TABLE log (id BIGINT, dt STRING, hm STRING) PARTITIONED BY (dt, hm) WITH ('connector' = 'filesystem',
  'path' = '{folder}/log', 'format' = 'csv', 'sink.partition-commit.trigger' = 'partition-time',
  'sink.partition-commit.delay' = '1 min', 'sink.partition-commit.policy.kind' = 'success-file',
  'partition.time-extractor.timestamp-pattern' = '$dt $hm:00');
INSERT INTO log SELECT id, DATE_FORMAT(ts, 'yyyy-MM-dd'), DATE_FORMAT(ts, 'HH:mm') FROM numbers;
"""


class Job:
    """A script that is killed and started again. `in_order`: its parallelism never goes down, since a reader that goes
    on with what two have read does not keep the order of both."""

    def __init__(self, program, folder, name, text, rng, in_order=False):
        self.program, self.folder, self.name, self.text, self.rng = program, folder, name, text, rng
        self.in_order, self.parallelism, self.process = in_order, 1, None

    def start(self):
        script = self.folder / f"{self.name}.sql"
        self.parallelism = self.rng.randint(self.parallelism if self.in_order else 1, 2)
        head = SETTINGS.format(folder=self.folder, job=self.name, parallelism=self.parallelism)
        script.write_text(head + self.text)
        with open(self.folder / f"{self.name}.log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([self.program, "sql", "--resume", "-f", str(script)],
                                            stdout=subprocess.DEVNULL, stderr=log)

    def kill(self):
        """False: it had ended."""
        if self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.wait()
        return True

    def finish(self):
        if self.process.wait(PATIENCE_S) != 0:
            sys.exit(f"the job failed: {self.said()}")

    def said(self):
        return (self.folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]


def seen_files(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith((".", "_"))]


def lines_of(folder):
    return [line for path in seen_files(folder) for line in path.read_text().splitlines()]


def check_announced(log, partition_count):
    """Partitions that are announced have all their rows."""
    announced = [path.parent for path in log.rglob("_SUCCESS")]
    for partition in announced:
        hour, minute = map(int, partition.name.removeprefix("hm=").replace("%3A", ":").split(":"))
        first = (hour * 60 + minute) * ROWS_A_PARTITION
        found = sorted(int(line) for line in lines_of(partition))
        if found != list(range(first, first + ROWS_A_PARTITION)):
            sys.exit(f"{partition} is announced and has {len(found)} rows, {len(set(found))} of them different")
    return len(announced) == partition_count


def check_partitions(program, folder, rng, kills, partition_count):
    rows = partition_count * ROWS_A_PARTITION
    text = PARTITIONS.format(folder=folder, step_ms=60_000 // ROWS_A_PARTITION, last=rows - 1, rate=rows // 6)
    job = Job(program, folder, "partitions", text, rng, in_order=True)
    done = 0
    while True:
        job.start()
        if done < kills:
            time.sleep(rng.uniform(0.3, 1.5))
            if job.kill():
                done += 1
                check_announced(folder / "log", partition_count)
                continue
        job.finish()
        break
    if not check_announced(folder / "log", partition_count):
        sys.exit("not all partitions are announced in the end")
    print(f"{partition_count} partitions are whole after {done} kills")


# ---- Tables beside the one that is asked for

SIDE_TABLES = """CREATE TABLE lines (id BIGINT NOT NULL, ms BIGINT NOT NULL, ts AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR ts AS ts) WITH (
  {source}, 'format' = 'csv', 'scan.bad-records' = 'dead-letter', 'scan.dead-letter.table' = 'letters');
CREATE TABLE letters (record STRING, error STRING) WITH ('connector' = 'filesystem', 'path' = '{folder}/letters', 'format' = 'json', {rolls});
CREATE TABLE late (id BIGINT, ms BIGINT) WITH ('connector' = 'filesystem', 'path' = '{folder}/late', 'format' = 'csv', {rolls});
CREATE TABLE counts (`second` BIGINT, n BIGINT, ids BIGINT) WITH ('connector' = 'filesystem', 'path' = '{folder}/counts', 'format' = 'csv', {rolls});
CREATE TABLE every (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{folder}/every', 'format' = 'csv', {rolls});
EXECUTE STATEMENT SET BEGIN
INSERT INTO counts SELECT /*+ LATE_TABLE('table' = 'late') */ MIN(ms) / 1000, COUNT(*), SUM(id)
  FROM TABLE(TUMBLE(TABLE lines, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
INSERT INTO every SELECT id FROM lines;
END;
"""
# Rows come to be seen while the job goes on.
ROLLS = "'sink.rolling-policy.rollover-interval' = '100 ms', 'sink.rolling-policy.check-interval' = '20 ms'"
MODES = ("", "SET 'execution.checkpointing.unaligned.enabled' = 'true';\n",
         "SET 'execution.checkpointing.incremental' = 'true';\n")


class Lines:
    """What is read: rows in the order of their times, some of them far behind; and lines that are no rows."""

    def __init__(self, rng):
        self.rng, self.rows, self.bad, self.next_id = rng, {}, [], 0

    def take(self, count):
        lines = []
        for _ in range(count):
            number, self.next_id = self.next_id, self.next_id + 1
            if self.rng.random() < 0.08:
                lines.append(self.rng.choice([f"no-{number},1", f"{number}", f"{number},", f"{number},x"]))
                self.bad.append(lines[-1])
                continue
            behind_ms = self.rng.choice([5_000, 30_000]) if self.rng.random() < 0.1 else 0
            self.rows[number] = 1_000_000_000 + 10 * number - behind_ms
            lines.append(f"{number},{self.rows[number]}")
        return lines


class Files:
    """A folder that is watched."""

    def __init__(self, folder):
        self.folder, self.written = folder / "lines", 0
        self.folder.mkdir()
        self.options = f"'connector' = 'filesystem', 'path' = '{self.folder}', 'source.monitor-interval' = '20 ms'"

    def write(self, lines):
        hidden = self.folder / ".next"
        hidden.write_text("".join(line + "\n" for line in lines))
        hidden.rename(self.folder / f"{self.written:06}.csv")
        self.written += 1


class Topic:
    """A topic of the broker, written by other jobs. It is made by a tool that is beside the program."""

    def __init__(self, program):
        self.program = program
        self.brokers, self.name = os.environ["TIDEWHEEL_KAFKA_BOOTSTRAP"], f"lines-{os.getpid()}-{time.time_ns()}"
        common = f"'connector' = 'kafka', 'topic' = '{self.name}', 'properties.bootstrap.servers' = '{self.brokers}'"
        self.options = common + ", 'scan.startup.mode' = 'earliest-offset'"
        self.run(pathlib.Path(program).parent / "kafka_ledger_tool", "create", self.brokers, self.name, "3")
        self.feed = f"CREATE TABLE feed (line STRING) WITH ({common}, 'format' = 'raw');\n"

    def write(self, lines):
        values = ", ".join(f"('{line}')" for line in lines)
        self.run(self.program, "sql", "-e", f"{self.feed}INSERT INTO feed VALUES {values};")

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        if done.returncode != 0:
            sys.exit(f"lines can't be written: {done.stderr}")


class SideTables:
    def __init__(self, folder, lines):
        self.folder, self.lines = folder, lines

    def numbers(self, table):
        return [tuple(map(int, line.split(","))) for line in lines_of(self.folder / table)]

    def letters(self):
        return collections.Counter(json.loads(line)["record"] for line in lines_of(self.folder / "letters"))

    def once(self, what, found, wanted, whole):
        """At any moment nothing is there twice, and in the end all is."""
        wanted = collections.Counter(wanted)
        if found - wanted or (whole and found != wanted):
            some = list((found - wanted).items())[:3], list((wanted - found).items())[:3]
            sys.exit(f"{what}: {sum(found.values())} of {sum(wanted.values())}; too many {some[0]}, missing {some[1]}")

    def check(self, whole):
        rows = self.lines.rows
        every = collections.Counter(number for number, in self.numbers("every"))
        self.once("rows", every, list(rows), whole)
        self.once("letters", self.letters(), self.lines.bad, whole)
        late = set(self.numbers("late"))
        self.once("late rows", collections.Counter(self.numbers("late")), late & set(rows.items()), True)
        if whole:
            in_time = collections.defaultdict(list)
            for number, ms in rows.items():
                if (number, ms) not in late:
                    in_time[ms // 1000].append(number)
            self.once("windows", collections.Counter(self.numbers("counts")),
                      [(second, len(ids), sum(ids)) for second, ids in in_time.items()], True)
        return len(every), len(late)


def check_side_tables(program, folder, rng, kills, source):
    folder.mkdir(exist_ok=True)
    lines, chunks = Lines(rng), 12 * (kills + 1)
    text = SIDE_TABLES.format(folder=folder, source=source.options, rolls=ROLLS)
    job, tables = Job(program, folder, "side_tables", text, rng), SideTables(folder, lines)
    done = written = 0
    while True:
        job.text = rng.choice(MODES) + text
        job.start()
        until = time.monotonic() + rng.uniform(0.2, 1.2)
        while (time.monotonic() < until or done == kills) and written < chunks:
            source.write(lines.take(50))
            written += 1
            time.sleep(rng.uniform(0, 0.05))
        time.sleep(max(0.0, until - time.monotonic()))
        if done == kills:
            break
        if not job.kill():
            sys.exit(f"the job has ended by itself: {job.said()}")
        done += 1
        tables.check(whole=False)
    until = time.monotonic() + PATIENCE_S
    while tables.check(whole=False)[0] < len(lines.rows):
        if job.process.poll() is not None or time.monotonic() > until:
            job.kill()
            sys.exit(f"{tables.check(whole=False)[0]} of {len(lines.rows)} rows come to be there: {job.said()}")
        time.sleep(0.05)
    job.process.send_signal(signal.SIGINT)
    job.finish()
    late = tables.check(whole=True)[1]
    if late == 0:
        sys.exit("no row was late")
    print(f"{len(lines.rows)} rows, {late} of them late, and {len(lines.bad)} letters are there once after {done} kills")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kafka", action="store_true")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if options.kafka:
            check_side_tables(options.program, folder / "topic", rng, options.kills, Topic(options.program))
        else:
            (folder / "files").mkdir()
            check_side_tables(options.program, folder / "files", rng, options.kills, Files(folder / "files"))
            check_partitions(options.program, folder, rng, options.kills, 40)
    return 0


if __name__ == "__main__":
    sys.exit(main())
