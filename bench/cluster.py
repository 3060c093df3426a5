#!/usr/bin/env python3
"""What a cluster of processes on one machine costs, and how fast it is:

  start     how long a JobManager and a TaskManager take to be ready, and what they use while they are idle
  exchange  rows from one worker to another, beside bytes over a bare socket
  nexmark   queries over two TaskManagers, beside the same in one
  deploy    a job of 1,000 tasks: until all of them run
  recovery  a TaskManager that falls silent: how long after the heartbeat timeout its job works again on stand-by slots

  bench/cluster.py [--only start,nexmark] [--program build/release/bin/tidewheel] [--json FILE]"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
from local_cluster import Cluster, Failure, Process, freeze, wait_for  # pylint: disable=wrong-import-position

JIFFIES = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / JIFFIES


def resident_mb(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


class Folder:
    """For one cluster; gone afterwards."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-cluster-bench-"))
        return self.path

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


# ---- start


def start_both(cluster):
    """Both are started at the same moment; returns how long it took until the slots were registered, in ms."""
    port = 20000 + os.getpid() % 20000
    began = time.monotonic()
    arguments = [f"-Djobmanager.rpc.port={port}", f"-Drest.port={port + 1}"]
    job_manager = Process("jobmanager", cluster.command("jobmanager", arguments), cluster.folder)
    task_manager = Process("taskmanager", cluster.command("taskmanager", arguments), cluster.folder)
    cluster.job_managers.append(job_manager)
    cluster.task_managers.append(task_manager)
    while "has registered" not in job_manager.text():
        time.sleep(0.001)
        if not job_manager.running() or not task_manager.running():
            sys.exit(job_manager.text() + task_manager.text())
    return (time.monotonic() - began) * 1000


def bench_start(options):
    starts, figures = [], {}
    for run in range(options.runs):
        with Folder() as folder, Cluster(options.program, folder) as cluster:
            starts.append(start_both(cluster))
            if run < options.runs - 1:
                continue
            time.sleep(2)
            processes = {"jobmanager": cluster.job_managers[0].pid, "taskmanager": cluster.task_managers[0].pid}
            before = {name: cpu_seconds(pid) for name, pid in processes.items()}
            time.sleep(options.idle_seconds)
            for name, pid in processes.items():
                used = (cpu_seconds(pid) - before[name]) / options.idle_seconds * 100
                figures[name] = {"idle_cpu_percent": used, "resident_mb": resident_mb(pid)}
    result = {"start_ms": spread(starts), **figures}
    print(f"start of both: {result['start_ms']['median']:.0f} ms ({min(starts):.0f} to {max(starts):.0f}, "
          f"{options.runs} runs)")
    for name, one in figures.items():
        print(f"{name:12} idle: {one['idle_cpu_percent']:.2f} % of a core, {one['resident_mb']:.1f} MB resident")
    return result


# ---- exchange


def bench_exchange(options):
    """The median of the micro-benchmark's repetitions."""
    micro = pathlib.Path(options.program).parent / "tidewheel_micro"
    out = subprocess.run([micro, "--benchmark_filter=rows_to_another_worker|bare_socket",
                          f"--benchmark_repetitions={options.repeat}", "--benchmark_format=json"],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    rates = {}
    for one in json.loads(out)["benchmarks"]:
        if one["run_type"] == "iteration":
            rates.setdefault(one["name"].split("/process_time")[0], []).append(one["bytes_per_second"] / 1e9)
    bare = statistics.median(rates.pop("bytes_over_a_bare_socket"))
    result = {"bare_socket_gb_per_second": bare}
    print(f"bytes over a bare socket: {bare:.2f} GB/s")
    for name, values in rates.items():
        rate = statistics.median(values)
        result[name] = {"gb_per_second": spread(values), "part_of_bare_percent": 100 * rate / bare}
        print(f"{name}: {rate:.2f} GB/s ({min(values):.2f} to {max(values):.2f}), {100 * rate / bare:.0f} % of it")
    return result


# ---- nexmark

TABLES = """
SET 'parallelism.default' = '2';
CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
  dateTime TIMESTAMP(3), extra STRING, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ({options}, 'nexmark.kind' = 'bid');
CREATE TABLE auction (id BIGINT, itemName STRING, description STRING, initialBid BIGINT,
  reserve BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
  extra STRING, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ({options}, 'nexmark.kind' = 'auction');
CREATE TABLE person (id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING,
  state STRING, dateTime TIMESTAMP(3), extra STRING,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ({options}, 'nexmark.kind' = 'person');
"""
# Columns of the sink, and what fills it. Each but q0 sends rows from one worker to the other.
QUERIES = {
    "q0": ("auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra STRING",
           "SELECT auction, bidder, price, dateTime, extra FROM bid"),
    "q3": ("name STRING, city STRING, state STRING, id BIGINT", """
SELECT P.name, P.city, P.state, A.id FROM auction AS A INNER JOIN person AS P ON A.seller = P.id
WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')"""),
    "q5": ("auction BIGINT, num BIGINT, window_end TIMESTAMP(3)", """
SELECT auction, COUNT(*) AS num, window_end
FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end"""),
    "q8": ("id BIGINT, name STRING, starttime TIMESTAMP(3)", """
SELECT P.id, P.name, P.starttime
FROM (SELECT id, name, window_start AS starttime, window_end AS endtime
      FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
      GROUP BY id, name, window_start, window_end) P
JOIN (SELECT seller, window_start AS starttime, window_end AS endtime
      FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
      GROUP BY seller, window_start, window_end) A
ON P.id = A.seller AND P.starttime = A.starttime AND P.endtime = A.endtime"""),
    "q18": ("auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime TIMESTAMP(3), extra STRING",
            """
SELECT auction, bidder, price, channel, url, dateTime, extra
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC)
        AS rank_number FROM bid) WHERE rank_number <= 1"""),
    "q20": ("auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, itemName STRING, seller BIGINT", """
SELECT auction, bidder, price, channel, url, itemName, seller
FROM bid AS B INNER JOIN auction AS A ON B.auction = A.id WHERE A.category = 10"""),
}


def write_query(folder, name, events):
    options = (f"'connector' = 'nexmark', 'events.num' = '{events}', 'first-event.rate' = '100000', "
               "'next-event.rate' = '100000', 'seed' = '42'")
    columns, query = QUERIES[name]
    script = folder / f"{name}.sql"
    script.write_text(TABLES.format(options=options) +
                      f"CREATE TABLE result ({columns}) WITH ('connector' = 'blackhole');\nINSERT INTO result {query};\n")
    return script


def running_seconds(cluster, job):
    times = cluster.job(job)["timestamps"]
    return (times["FINISHED"] - times["RUNNING"]) / 1000


def start_task_managers(cluster, count, slots):
    cluster.start_job_manager()
    for _ in range(count):
        cluster.start_task_manager(f"-Dtaskmanager.numberOfTaskSlots={slots}", "-Dtaskmanager.memory.process.size=2g")
    cluster.wait_slots(count * slots)


def run_queries(options, task_managers, slots):
    seconds = {name: [] for name in options.queries}
    with Folder() as folder, Cluster(options.program, folder) as cluster:
        start_task_managers(cluster, task_managers, slots)
        for name in options.queries:
            script = write_query(folder, name, options.events)
            for _ in range(options.repeat):
                job = cluster.run(script)
                cluster.wait_state(job, "FINISHED", seconds=600)
                seconds[name].append(running_seconds(cluster, job))
    return {name: statistics.median(values) for name, values in seconds.items()}


def bench_nexmark(options):
    one = run_queries(options, 1, 2)
    two = run_queries(options, 2, 1)
    result = {}
    for name in options.queries:
        part = 100 * one[name] / two[name]
        result[name] = {"one_process_seconds": one[name], "two_processes_seconds": two[name], "percent": part}
        print(f"{name:4} in one process {one[name]:.2f} s, over two TaskManagers {two[name]:.2f} s: "
              f"{part:.0f} % ({options.events} events, median of {options.repeat})")
    result["total_percent"] = 100 * sum(one.values()) / sum(two.values())
    print(f"all together: {result['total_percent']:.0f} % of the speed in one process")
    return result


# ---- deploy


def write_wide(folder, pairs, parallelism):
    """`pairs` of two vertices with all channels between them: pairs * 2 * parallelism tasks."""
    text = f"SET 'parallelism.default' = '{parallelism}';\n"
    for i in range(pairs):
        text += (f"CREATE TABLE n{i} (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');\n"
                 f"CREATE TABLE r{i} (n BIGINT, c BIGINT) WITH ('connector' = 'blackhole');\n")
    text += "BEGIN STATEMENT SET;\n"
    text += "".join(f"INSERT INTO r{i} SELECT n, COUNT(*) FROM n{i} GROUP BY n;\n" for i in range(pairs)) + "END;\n"
    script = folder / "wide.sql"
    script.write_text(text)
    return script


def all_run(cluster, job, tasks=None):
    counts = {}
    for vertex in cluster.job(job)["vertices"]:
        for state, count in vertex["tasks"].items():
            counts[state] = counts.get(state, 0) + count
    running = counts.get("RUNNING", 0)
    return running == sum(counts.values()) and running >= (tasks or 1)


def bench_deploy(options):
    whole, deployments = [], []
    for _ in range(options.repeat):
        with Folder() as folder, Cluster(options.program, folder) as cluster:
            start_task_managers(cluster, 2, 10)
            script = write_wide(folder, 25, 20)
            program = cluster.upload(script)
            began = time.monotonic()
            job = cluster.ask("POST", f"/jars/{program}/run", {})["jobid"]
            wait_for("all tasks run", lambda c=cluster, j=job: all_run(c, j, 1000), 60)
            whole.append((time.monotonic() - began) * 1000)
            detail = cluster.job(job)
            starts, runs = [], []
            for vertex in detail["vertices"]:
                for subtask in cluster.get(f"/jobs/{job}/vertices/{vertex['id']}/subtasktimes")["subtasks"]:
                    times = subtask["timestamps"]
                    starts.append(min(t for t in times.values() if t > 0))
                    runs.append(times["RUNNING"])
            deployments.append(max(runs) - min(starts))
    print(f"1000 tasks: deployed in {statistics.median(deployments):.0f} ms ({min(deployments):.0f} to "
          f"{max(deployments):.0f}), {statistics.median(whole):.0f} ms after the program was submitted")
    return {"deploy_ms": spread(deployments), "submit_to_running_ms": spread(whole)}


# ---- recovery


def attempts(cluster, job):
    return [subtask["attempt"] for vertex in cluster.job(job)["vertices"]
            for subtask in cluster.get(f"/jobs/{job}/vertices/{vertex['id']}")["subtasks"]]


def works_again(cluster, job):
    if not all_run(cluster, job):
        return False
    vertices = cluster.job(job)["vertices"]
    return min(attempts(cluster, job)) >= 1 and all(
        vertex["metrics"]["read-records"] > 0 or vertex["metrics"]["write-records"] > 0 for vertex in vertices)


def bench_recovery(options):
    timeout_s = 2.0
    settings = ["execution.checkpointing.interval=200ms", "heartbeat.interval=200ms",
                f"heartbeat.timeout={int(timeout_s * 1000)}ms", "restart-strategy.type=fixed-delay",
                "restart-strategy.fixed-delay.attempts=100", "restart-strategy.fixed-delay.delay=0ms"]
    late = []
    for _ in range(options.repeat):
        with Folder() as folder, Cluster(options.program, folder, settings) as cluster:
            start_task_managers(cluster, 3, 2)
            script = folder / "counts.sql"
            script.write_text(f"""
SET 'parallelism.default' = '4';
SET 'execution.checkpointing.dir' = '{folder / "checkpoints"}';
CREATE TABLE numbers (n INT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000');
CREATE TABLE counts (n INT, c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO counts SELECT n, COUNT(*) FROM numbers GROUP BY n;
""")
            job = cluster.run(script)
            cluster.wait_state(job, "RUNNING")
            wait_for("checkpoints", lambda c=cluster, j=job: c.completed_checkpoints(j) >= 3)
            victim = next(tm for tm in cluster.task_managers if tm.children())
            began = time.monotonic()
            for pid in [victim.pid, *victim.children()]:
                freeze(pid)
            wait_for("the job works again", lambda c=cluster, j=job: works_again(c, j), 60)
            late.append((time.monotonic() - began - timeout_s) * 1000)
    print(f"a silent TaskManager: its job works again {statistics.median(late):.0f} ms after the heartbeat timeout "
          f"({min(late):.0f} to {max(late):.0f}, {options.repeat} runs)")
    return {"after_timeout_ms": spread(late)}


BENCHES = {"start": bench_start, "exchange": bench_exchange, "nexmark": bench_nexmark, "deploy": bench_deploy,
           "recovery": bench_recovery}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/tidewheel"))
    parser.add_argument("--only", default=",".join(BENCHES), help="some of " + ",".join(BENCHES))
    parser.add_argument("--runs", type=int, default=10, help="of start")
    parser.add_argument("--repeat", type=int, default=3, help="of all others")
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--queries", default=",".join(QUERIES), type=lambda text: text.split(","))
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--json")
    options = parser.parse_args()
    if isinstance(options.queries, str):
        options.queries = options.queries.split(",")
    result = {}
    for name in options.only.split(","):
        if name not in BENCHES:
            sys.exit(f"there is no {name}; there are {', '.join(BENCHES)}")
        try:
            result[name] = BENCHES[name](options)
        except Failure as failure:
            sys.exit(f"{name}: {failure}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
