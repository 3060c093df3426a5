#!/usr/bin/env python3
"""Kills INSERTs with SIGKILL at random moments and has them go on from their newest checkpoints.

Partitions that are announced (`success-file`) have all their rows, at every moment and in the end.

    tests/jobs/kill_sql_check.py build/release/bin/tidewheel --kills 6 --seed 1
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

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
    """A script that is killed and started again."""

    def __init__(self, program, folder, name, text, rng):
        self.program, self.folder, self.name, self.text, self.rng = program, folder, name, text, rng
        self.process = None

    def start(self):
        script = self.folder / f"{self.name}.sql"
        head = SETTINGS.format(folder=self.folder, job=self.name, parallelism=self.rng.choice([1, 2]))
        script.write_text(head + self.text)
        self.process = subprocess.Popen([self.program, "sql", "--resume", "-f", str(script)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)

    def kill(self):
        """False: it had ended."""
        if self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.communicate()
        return True

    def finish(self):
        _, errors = self.process.communicate()
        if self.process.returncode != 0:
            sys.exit(f"the job failed: {errors}")


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
    job = Job(program, folder, "partitions", text, rng)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        check_partitions(options.program, pathlib.Path(name), rng, options.kills, 40)
    return 0


if __name__ == "__main__":
    sys.exit(main())
