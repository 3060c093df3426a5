#!/usr/bin/env python3
"""Kills a query that writes Parquet with SIGKILL at random moments and has it go on from its newest checkpoint, until
it is done; then each row has to be in the files that are seen exactly once, and every such file whole.

    build/pyarrow/bin/python tests/parquet/kill.py build/release/bin/tidewheel --kills 10 --seed 1
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import pyarrow.parquet as pq

SCRIPT = """SET 'table.dml-sync' = 'true';
SET 'parallelism.default' = '{parallelism}';
SET 'execution.checkpointing.interval' = '100 ms';
SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
CREATE TABLE numbers (id BIGINT, text AS CONCAT('row ', CAST(id AS STRING))) WITH ('connector' = 'datagen',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{rows}', 'rows-per-second' = '{rate}');
CREATE TABLE files (id BIGINT, text STRING, part BIGINT) PARTITIONED BY (part) WITH ('connector' = 'filesystem',
  'path' = '{folder}/out', 'format' = 'parquet');
INSERT INTO files SELECT id, text, MOD(id, 3) FROM numbers;
"""


def rows_of(folder):
    found = []
    for path in sorted(folder.rglob("*.parquet")):
        if not path.name.startswith("."):
            found += pq.ParquetFile(path).read(columns=["id"]).column("id").to_pylist()
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=60_000)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        kills = 0
        while True:
            script = folder / "job.sql"
            script.write_text(SCRIPT.format(folder=folder, rows=options.rows, rate=options.rows // 12,
                                            parallelism=rng.choice([1, 2])))
            job = subprocess.Popen([options.program, "sql", "--resume", "-f", str(script)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if kills < options.kills:
                time.sleep(rng.uniform(0.3, 1.5))
            if kills < options.kills and job.poll() is None:
                job.kill()
                job.communicate()
                kills += 1
                continue
            _, errors = job.communicate()
            if job.returncode != 0:
                sys.exit(f"the job failed: {errors}")
            break
        found = rows_of(folder / "out")
        if found != list(range(1, options.rows + 1)):
            sys.exit(f"{len(found)} rows, {len(set(found))} of them different, of {options.rows}")
        print(f"{options.rows} rows exactly once after {kills} kills")
    return 0


if __name__ == "__main__":
    sys.exit(main())
