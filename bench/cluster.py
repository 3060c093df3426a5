#!/usr/bin/env python3
"""What a cluster costs before it does anything: how long it takes to start, and what it uses while it is idle.

  bench/cluster.py [--program build/release/bin/tidewheel] [--runs 10] [--idle-seconds 20] [--json FILE]"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
from local_cluster import Cluster, Process  # pylint: disable=wrong-import-position

JIFFIES = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / JIFFIES


def resident_mb(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/tidewheel"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--json")
    options = parser.parse_args()
    starts, figures = [], {}
    for run in range(options.runs):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-cluster-bench-"))
        with Cluster(options.program, folder) as cluster:
            starts.append(start_both(cluster))
            if run == options.runs - 1:
                time.sleep(2)
                processes = {"jobmanager": cluster.job_managers[0].pid, "taskmanager": cluster.task_managers[0].pid}
                before = {name: cpu_seconds(pid) for name, pid in processes.items()}
                time.sleep(options.idle_seconds)
                for name, pid in processes.items():
                    used = (cpu_seconds(pid) - before[name]) / options.idle_seconds * 100
                    figures[name] = {"idle_cpu_percent": used, "resident_mb": resident_mb(pid)}
        shutil.rmtree(folder, ignore_errors=True)
    result = {"start_ms": {"median": statistics.median(starts), "min": min(starts), "max": max(starts),
                           "runs": options.runs}, **figures}
    print(f"start of both: {result['start_ms']['median']:.0f} ms ({min(starts):.0f} to {max(starts):.0f}, "
          f"{options.runs} runs)")
    for name, one in figures.items():
        print(f"{name:12} idle: {one['idle_cpu_percent']:.2f} % of a core, {one['resident_mb']:.1f} MB resident")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
