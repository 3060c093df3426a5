#!/usr/bin/env python3
"""What operators use beside jobs: the history server, reporters of metrics, an application's own cluster, exit statuses,
and a program that is replaced while its cluster runs.

  tests/cluster/operation.py --program build/release/bin/tidewheel [TEST...]"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request

from local_cluster import Cluster, Failure, Process, run_tests, test_arguments, wait_for
from run import check_ledger, ledger, start

TESTS = {}


def test(function):
    TESTS[function.__name__] = function
    return function


def check(what, condition):
    if not condition:
        raise Failure(what)


def get_text(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def command(program, *arguments):
    return subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def one_chain(folder):
    """A script whose source and sink are one chain, without an end."""
    script = folder / "chain.sql"
    script.write_text("CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000');\n"
                      "CREATE TABLE o (n BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO o SELECT n FROM n;\n")
    return script


@test
def a_history_server_shows_jobs_whose_cluster_has_gone(program, folder):
    archive = folder / "archive"
    with Cluster(program, folder, [f"jobmanager.archive.fs.dir={archive}"]) as cluster:
        start(cluster, task_managers=1)
        script, out = ledger(folder, 1000, 10000)
        job = cluster.run(script)
        cluster.wait_state(job, "FINISHED")
        check_ledger(out, 1000)
        wait_for("the job is archived", lambda: (archive / job).exists())
    server = Process("historyserver", [str(program), "historyserver", "-c", str(folder / "conf"),
                                       f"-Dhistoryserver.archive.fs.dir={archive}", "-Dhistoryserver.web.port=0",
                                       "-Dhistoryserver.archive.fs.refresh-interval=50ms",
                                       "-Dhistoryserver.log.taskmanager.url-pattern=https://logs/<jobid>?of=<tmid>"], folder)
    try:
        wait_for("the history server is ready", lambda: "is ready" in server.text() or not server.running())
        found = re.findall(r"is ready: (http\S+)", server.text())
        check(f"it has not started: {server.text()}", found)
        overview = wait_for("the job is shown", lambda: json.loads(get_text(found[0] + "/jobs/overview"))["jobs"])
        check(f"{overview}", [one["jid"] for one in overview] == [job] and overview[0]["state"] == "FINISHED")
        detail = json.loads(get_text(f"{found[0]}/jobs/{job}"))
        check(f"{detail}", detail["vertices"] and detail["plan"]["nodes"])
        log = json.loads(get_text(f"{found[0]}/jobs/{job}/taskmanagers/tm-1/log-url"))["url"]
        check(log, log == f"https://logs/{job}?of=tm-1")
        check("the dashboard is told", json.loads(get_text(found[0] + "/config"))["features"]["web-history"])
        listed = command(program, "list", "-a", "-m", found[0].split("//")[1])
        check(f"{listed.stdout}{listed.stderr}", listed.returncode == 0 and job in listed.stdout)
        cancelled = command(program, "cancel", job, "-m", found[0].split("//")[1])
        check(f"{cancelled.stdout}", cancelled.returncode == 1)
    finally:
        check("it ends when it is told to", server.stop() == 0)


class Carbon(threading.Thread):
    """Takes what is sent to Graphite."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received = b""

    def run(self):
        connection, _ = self.listener.accept()
        while data := connection.recv(65536):
            self.received += data


class StatsD(threading.Thread):
    """Takes what is sent as datagrams."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.received = []

    def run(self):
        while True:
            self.received.append(self.socket.recv(65536).decode())


def scraped(first, count):
    """What processes tell Prometheus, by port."""
    found = {}
    for port in range(first, first + count):
        try:
            found[port] = get_text(f"http://localhost:{port}/")
        except OSError:
            pass
    return found


@test
def reporters_report_the_jobs_of_the_cluster(program, folder):
    carbon, statsd = Carbon(), StatsD()
    carbon.start()
    statsd.start()
    file = folder / "metrics.json"
    first_port = 20000 + os.getpid() % 1000 * 10
    reporters = ["metrics.fetcher.update-interval=100ms", "metrics.reporters=prom,carbon,file,statsd,log",
                 "metrics.reporter.prom.factory.class=org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
                 f"metrics.reporter.prom.port={first_port}-{first_port + 9}",
                 "metrics.reporter.carbon.factory.class=graphite", "metrics.reporter.carbon.host=127.0.0.1",
                 f"metrics.reporter.carbon.port={carbon.port}", "metrics.reporter.carbon.interval=100ms",
                 "metrics.reporter.statsd.factory.class=org.apache.flink.metrics.statsd.StatsDReporterFactory",
                 "metrics.reporter.statsd.host=127.0.0.1", f"metrics.reporter.statsd.port={statsd.port}",
                 "metrics.reporter.statsd.interval=100ms", "metrics.reporter.log.factory.class=log",
                 "metrics.reporter.log.interval=100ms",
                 "metrics.reporter.file.factory.class=json-file", f"metrics.reporter.file.path={file}",
                 "metrics.reporter.file.interval=100ms"]
    with Cluster(program, folder, reporters) as cluster:
        start(cluster, task_managers=1)
        job = cluster.run(one_chain(folder))
        cluster.wait_state(job, "RUNNING")
        # One process each: the JobManager, the TaskManager, the worker and the job's master.
        wanted = {"the JobManager": r"flink_jobmanager_Status_JVM_Memory_Heap_Used\{\} [1-9]",
                  "the JobManager of its jobs": rf'flink_jobmanager_job_uptime\{{job_id="{job}",.* [1-9]',
                  "the TaskManager": r"flink_taskmanager_Status_JVM_Threads_Count\{.*tm_id=.* [1-9]",
                  "the master": rf'flink_jobmanager_job_master_Status_JVM_CPU_Time\{{job_id="{job}",\}} [1-9]',
                  "the worker": rf'flink_taskmanager_job_worker_Status_JVM_CPU_Time\{{job_id="{job}",.* [1-9]',
                  "the worker of its tasks": rf'flink_taskmanager_job_task_numRecordsOut\{{job_id="{job}",job_name=',
                  "the worker of operators": r"flink_taskmanager_job_task_operator_\w+\{.*operator_name="}
        for whose, pattern in wanted.items():
            wait_for(f"Prometheus gets {whose}", lambda pattern=pattern: any(
                re.search(pattern, text) for text in scraped(first_port, 10).values()))
        texts = scraped(first_port, 10)
        check(f"{sorted(texts)}", len(texts) == 4)
        for pattern in wanted.values():
            check(f"{pattern} comes from several", sum(bool(re.search(pattern, text)) for text in texts.values()) == 1)
        wait_for("Graphite gets them", lambda: f";job_id={job};".encode() in carbon.received)
        line = carbon.received.split(b"\n")[0].decode()
        check(line, re.fullmatch(r"flink_\S+ -?[0-9.e+-]+ \d+", line))
        wait_for("StatsD gets them", lambda: any(f".{job}." in datagram for datagram in statsd.received))
        for line in statsd.received[0].splitlines():
            check(line, re.fullmatch(r"flink_[^:|]+:-?[0-9.e+-]+\|g", line))
        wait_for("the log has them", lambda: f" job_id={job} " in cluster.job_managers[0].text())
        wait_for("the file has them", lambda: file.exists() and any(
            one["labels"].get("job_id") == job for one in json.loads(file.read_text())["metrics"]))


def threads_cores(pid):
    """Of each thread, the cores that it may run on."""
    return {frozenset(os.sched_getaffinity(int(task.name))) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


@test
def workers_have_cores_of_their_own(program, folder):
    if len(os.sched_getaffinity(0)) < 2:
        return
    with Cluster(program, folder, ["taskmanager.worker.cpu-pinning=true"]) as cluster:
        start(cluster, task_managers=1)
        for name in ("one", "other"):
            (folder / name).mkdir()
            cluster.wait_state(cluster.run(one_chain(folder / name)), "RUNNING")
        cores = [threads_cores(pid) for pid in cluster.task_managers[0].children()]
        check(f"{cores}", [len(each) for each in cores] == [1, 1])
        (one,), (other,) = cores
        check(f"{one} {other}", len(one) == len(other) == 1 and one != other)


@test
def a_program_tells_its_plan(program, folder):
    with Cluster(program, folder) as cluster:
        cluster.start_job_manager()
        uploaded = cluster.upload(one_chain(folder))
        plan = cluster.get(f"/jars/{uploaded}/plan?parallelism=3")["plan"]
        check(f"{plan}", len(plan["nodes"]) == 1 and plan["nodes"][0]["parallelism"] == 3)
        wrong = folder / "wrong.sql"
        wrong.write_text("INSERT INTO nowhere SELECT 1;")
        try:
            cluster.get(f"/jars/{cluster.upload(wrong)}/plan")
            raise Failure("a wrong script has a plan")
        except Failure as failure:
            check(f"{failure}", ": 400 " in str(failure) and "nowhere" in str(failure))
        check("nothing has run", not cluster.get("/jobs")["jobs"])
        wait_for("its process ends", lambda: not cluster.job_managers[0].children())


@test
def top_shows_the_rows_of_one_chain(program, folder):
    with Cluster(program, folder, ["metrics.fetcher.update-interval=100ms"]) as cluster:
        start(cluster, task_managers=1)
        job = cluster.run(one_chain(folder))
        cluster.wait_state(job, "RUNNING")
        address = cluster.url.split("//")[1]
        wait_for("rows", lambda: json.loads(
            command(program, "top", "--once", "--json", "-m", address).stdout)["jobs"][0]["rows"] > 0)


@test
def top_counts_what_sources_read_and_not_what_leaves_their_vertices(program, folder):
    script = folder / "counts.sql"
    script.write_text("SET 'parallelism.default' = '2';\n"
                      "CREATE TABLE n (n BIGINT, k AS n % 5) WITH ('connector' = 'datagen', 'rows-per-second' = '5000', "
                      "'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '1000000000');\n"
                      "CREATE TABLE o (k BIGINT, c BIGINT) WITH ('connector' = 'blackhole');\n"
                      "INSERT INTO o SELECT k, COUNT(*) FROM n WHERE n % 1000 = 0 GROUP BY k;\n")
    with Cluster(program, folder, ["metrics.fetcher.update-interval=100ms"]) as cluster:
        start(cluster, task_managers=1)
        job = cluster.run(script)
        cluster.wait_state(job, "RUNNING")
        address = cluster.url.split("//")[1]
        sent = wait_for("rows that pass", lambda: cluster.job(job)["vertices"][0]["metrics"]["write-records"])
        check(f"few pass: {sent}", sent < 1000)
        wait_for("rows", lambda: json.loads(
            command(program, "top", "--once", "--json", "-m", address).stdout)["jobs"][0]["rows"] > 5000, seconds=20)


@test
def profiles_show_what_the_workers_of_a_task_manager_do(program, folder):
    with Cluster(program, folder, ["rest.profiling.enabled=true"]) as cluster:
        start(cluster, task_managers=1)
        job = cluster.run(one_chain(folder))
        cluster.wait_state(job, "RUNNING")
        worker = cluster.get("/taskmanagers")["taskmanagers"][0]["id"]
        for path, frames in ((f"/taskmanagers/{worker}/profiler", rf"^worker of job .*{job}.*;tw-slot-\d+;.* \d+$"),
                             ("/jobmanager/profiler", rf"^master of job .*{job}.*;.* \d+$")):
            cluster.ask("POST", path, {"mode": "WALL", "duration": 1})
            done = wait_for("a profile", lambda path=path: next(
                (one for one in cluster.get(path)["profilingList"] if one["status"] != "RUNNING"), None))
            check(f"{done}", done["status"] == "FINISHED" and done["mode"] == "WALL")
            folded = get_text(f"{cluster.url}{path}/{done['outputFile'].replace('.html', '.folded')}")
            check(folded, re.search(frames, folded, re.MULTILINE))
            check("the page shows it", job in get_text(f"{cluster.url}{path}/{done['outputFile']}"))


@test
def exit_statuses_say_what_happened(program, folder):
    nobody = command(program, "list", "-m", "no-such-host.invalid:8081", "-Drest.retry.max-attempts=0")
    check(f"no such host: {nobody.returncode} {nobody.stderr}", nobody.returncode == 3)
    refused = command(program, "list", "-m", "localhost:1", "-Drest.retry.max-attempts=0")
    check(f"nobody listens: {refused.returncode} {refused.stderr}", refused.returncode == 3)
    wrong = command(program, "lsit")
    check(f"misspelt: {wrong.returncode} {wrong.stderr}", wrong.returncode == 2 and "list" in wrong.stderr)
    unused = folder / "nothing.sql"
    unused.write_text("SELECT 1;")
    elsewhere = command(program, "run-application", "-t", "kubernetes-application", unused)
    check(f"{elsewhere.returncode} {elsewhere.stderr}", elsewhere.returncode == 2 and "local" in elsewhere.stderr)


@test
def an_application_has_a_cluster_of_its_own(program, folder):
    (folder / "conf").mkdir()
    script, out = ledger(folder, 1000, 10000, parallelism=1)
    application = Process("application", [str(program), "run-application", "--configDir", str(folder / "conf"), "-p", "1",
                                          "-Djobmanager.rpc.port=0", "-Drest.port=0", f"-Dio.tmp.dirs={folder}", str(script)],
                          folder)
    wait_for("it is ready", lambda: "is ready" in application.text())
    port = re.findall(r"is ready: \S+?:(\d+) for the cluster", application.text())[0]
    worker = Process("taskmanager", [str(program), "taskmanager", "-c", str(folder / "conf"),
                                     f"-Djobmanager.rpc.port={port}", f"-Dio.tmp.dirs={folder}"], folder)
    try:
        check("it ends with its job", application.popen.wait(timeout=60) == 0)
        check_ledger(out, 1000)
        check("its TaskManager ends with it", worker.popen.wait(timeout=30) == 0)
    finally:
        for process in (application, worker):
            if process.running():
                process.kill()


@test
def a_cluster_goes_on_when_its_program_is_replaced(program, folder):
    own = folder / "bin" / "tidewheel"
    own.parent.mkdir()
    shutil.copy2(program, own)
    # The libraries beside it, where it is an installed one.
    with Cluster(own, folder) as cluster:
        start(cluster, task_managers=1)
        other = folder / "bin" / "other"
        other.write_text("#!/bin/sh\necho another version >&2\nexit 1\n")
        other.chmod(0o755)
        os.replace(other, own)
        script, out = ledger(folder, 1000, 10000)
        job = cluster.run(script)
        cluster.wait_state(job, "FINISHED")
        check_ledger(out, 1000)


if __name__ == "__main__":
    sys.exit(run_tests(TESTS, test_arguments(__doc__).parse_args()))
