#!/usr/bin/env python3
"""Whole clusters of real processes on loopback, with a job whose output shows each number exactly once.

  tests/cluster/run.py --program build/release/bin/tidewheel [TEST...]

Without names all tests are run; --list shows them."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import clients
from local_cluster import Cluster, Failure, run_tests, test_arguments, wait_for

CHECKPOINTS = ["execution.checkpointing.interval=200ms", "restart-strategy.type=fixed-delay",
               "restart-strategy.fixed-delay.attempts=1000", "restart-strategy.fixed-delay.delay=100ms"]
HEARTBEATS = ["heartbeat.interval=200ms", "heartbeat.timeout=3s"]


def ledger(folder, numbers, per_second, parallelism=2, script=None):
    """A script that writes each of the numbers to files, exactly once; and the folder of the files."""
    out = folder / "out"
    script = script or folder / "ledger.sql"
    script.write_text(f"""
SET 'parallelism.default' = '{parallelism}';
SET 'execution.checkpointing.dir' = '{folder / "checkpoints"}';
CREATE TABLE numbers (n BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '{per_second}',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{numbers}');
CREATE TABLE ledger (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}', 'format' = 'csv');
INSERT INTO ledger SELECT n FROM numbers;
""")
    return script, out


def rows_of(out):
    rows = []
    for path in pathlib.Path(out).rglob("*"):
        if path.is_file() and not path.name.startswith((".", "_")):
            rows += [int(line.split(",")[0]) for line in path.read_text().split()]
    return rows


def check_ledger(out, numbers):
    rows = rows_of(out)
    if sorted(rows) == list(range(1, numbers + 1)):
        return
    seen = set(rows)
    missing = [n for n in range(1, numbers + 1) if n not in seen]
    twice = sorted({n for n in rows if rows.count(n) > 1}) if len(rows) < 200000 else "some"
    raise Failure(f"{len(rows)} rows of {numbers}: missing {missing[:5]} ({len(missing)}), twice {twice[:5]}")


def start(cluster, task_managers=2, slots=2):
    cluster.start_job_manager()
    for _ in range(task_managers):
        cluster.start_task_manager(f"-Dtaskmanager.numberOfTaskSlots={slots}", "-Dtaskmanager.memory.process.size=1g")
    cluster.wait_slots(task_managers * slots)


TESTS = {}


def test(settings):
    def register(function):
        TESTS[function.__name__] = (function, settings)
        return function
    return register


@test(CHECKPOINTS + HEARTBEATS)
def a_job_runs_on_both_task_managers(cluster, folder):
    start(cluster)
    script, out = ledger(folder, 20000, 10000, parallelism=4)
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    wait_for("both have a worker", lambda: all(tm.children() for tm in cluster.task_managers))
    cluster.wait_state(job, "FINISHED")
    check_ledger(out, 20000)
    tasks = cluster.get("/jobs/overview")["jobs"][0]["tasks"]
    if tasks["finished"] != tasks["total"]:
        raise Failure(f"the list shows tasks of a finished job that have not: {tasks}")
    wait_for("workers end with the job", lambda: not any(tm.children() for tm in cluster.task_managers))
    wait_for("slots are free", lambda: cluster.get("/overview")["slots-available"] == 4)


@test(HEARTBEATS)
def a_state_is_the_same_in_the_list_of_jobs_and_at_the_job(cluster, folder):
    def listed(job):
        return next(one["state"] for one in cluster.get("/jobs/overview")["jobs"] if one["jid"] == job)
    start(cluster)
    script = clients.endless_job(folder)
    # By which of the two it is seen first.
    for first, then in 2 * [(cluster.state, listed), (listed, cluster.state)]:
        job = cluster.run(script)
        while first(job) != "RUNNING":
            pass
        if then(job) != "RUNNING":
            raise Failure(f"a job that was seen to run is {then(job)}")
        cluster.ask("PATCH", f"/jobs/{job}?mode=cancel")
        while first(job) != "CANCELED":
            pass
        if then(job) != "CANCELED":
            raise Failure(f"a job that was seen to be cancelled is {then(job)}")


@test(CHECKPOINTS + HEARTBEATS)
def a_job_is_cancelled(cluster, folder):
    start(cluster)
    script, _ = ledger(folder, 100000000, 1000)
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    cluster.ask("PATCH", f"/jobs/{job}?mode=cancel")
    cluster.wait_state(job, "CANCELED")
    wait_for("slots are free", lambda: cluster.get("/overview")["slots-available"] == 4)
    wait_for("its master ends", lambda: not cluster.job_managers[0].children())


def failures_of(cluster, job):
    """The newest first, as the exceptions of the job tell them."""
    return [entry["stacktrace"] for entry in cluster.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"]]


def with_a_fault(cluster, folder, fault, numbers=60000, per_second=10000):
    start(cluster)
    script, out = ledger(folder, numbers, per_second)
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    wait_for("a checkpoint", lambda: cluster.completed_checkpoints(job) >= 2)
    fault(cluster)
    cluster.wait_state(job, "FINISHED", seconds=120)
    check_ledger(out, numbers)
    return job


@test(CHECKPOINTS + HEARTBEATS)
def a_killed_worker_is_replaced(cluster, folder):
    def kill(cluster):
        tm = next(tm for tm in cluster.task_managers if tm.children())
        os.kill(tm.children()[0], signal.SIGKILL)
    job = with_a_fault(cluster, folder, kill)
    failures = failures_of(cluster, job)
    if not any("is lost: its process" in one and "killed by signal 9 (SIGKILL, Killed)" in one for one in failures):
        raise Failure(f"the exceptions do not tell how the worker has ended: {failures}")
    if "signal 9" not in cluster.job_managers[0].text():
        raise Failure("the JobManager's log does not tell of the signal")


@test(CHECKPOINTS + HEARTBEATS)
def a_job_that_dereferences_null_harms_no_other(cluster, folder):
    library = misbehaving(cluster)
    start(cluster, task_managers=1, slots=3)
    script, out = ledger(folder, 30000, 1500)
    healthy = cluster.run(script)
    cluster.wait_state(healthy, "RUNNING")
    processes = cluster.job_managers[0].children() + cluster.task_managers[0].children()
    careless = cluster.run(library, programArgsList=["--case", "crashes"], flinkConfiguration={
        "restart-strategy.fixed-delay.attempts": "3",
        "execution.checkpointing.dir": str(folder / "careless")})
    wait_for("it fails", lambda: cluster.state(careless) == "FAILED")
    for failure in failures_of(cluster, careless):
        if "killed by signal 11 (SIGSEGV" not in failure or "about to read what is not there" not in failure:
            raise Failure(f"an exception does not tell of the signal and of what was said last: {failure}")
    ended = cluster.get(f"/jobs/{careless}/execution-result")["job-execution-result"]["failure-cause"]["stack-trace"]
    if "signal 11" not in ended:
        raise Failure(f"the job's failure does not tell of the signal: {ended}")
    if cluster.state(healthy) != "RUNNING":
        raise Failure("the healthy job has ended too soon to tell")
    gone = [pid for pid in processes if not is_alive(pid)]
    restarts = cluster.get(f"/jobs/{healthy}/metrics?get=numRestarts")[0]["value"]
    if gone or restarts != "0":
        raise Failure(f"the healthy job has lost {gone}, and was restarted {restarts} times")
    cluster.wait_state(healthy, "FINISHED")
    check_ledger(out, 30000)
    told = clients.CommandLine(cluster).run(
        "run", "-Drestart-strategy.fixed-delay.attempts=2", f"-Dexecution.checkpointing.dir={folder / 'waited-for'}",
        library, "--", "--case", "crashes", status=1)
    if told.count("killed by signal 11") < 3:
        raise Failure(f"the client that waits for the job does not tell of the signals: {told}")


@test(HEARTBEATS + ["restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=2",
                    "restart-strategy.fixed-delay.delay=400ms", "web.refresh-interval=1h"])
def a_client_tells_of_failures_just_before_the_end(cluster, folder):
    start(cluster)
    told = clients.CommandLine(cluster).run("run", misbehaving(cluster), "--", "--case", "throws", status=1)
    if len(re.findall(r"^\d\d\.\d\d\.\d{4} .*out of luck$", told, re.MULTILINE)) != 3:
        raise Failure(f"the client does not tell of three attempts: {told}")


@test(CHECKPOINTS + HEARTBEATS)
def a_killed_task_manager_is_replaced(cluster, folder):
    def kill(cluster):
        tm = next(tm for tm in cluster.task_managers if tm.children())
        children = tm.children()
        tm.kill()
        wait_for("its workers end with it", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children))
    job = with_a_fault(cluster, folder, kill)
    failures = failures_of(cluster, job)
    if not any("is lost: its TaskManager" in one and "has ended" in one for one in failures):
        raise Failure(f"the exceptions do not tell that the TaskManager is lost: {failures}")


@test(CHECKPOINTS + HEARTBEATS)
def a_task_manager_that_is_told_to_end_is_replaced(cluster, folder):
    def stop(cluster):
        tm = next(tm for tm in cluster.task_managers if tm.children())
        tm.stop()
    job = with_a_fault(cluster, folder, stop)
    failures = failures_of(cluster, job)
    if not failures or not all("is lost: its TaskManager" in one and "was stopped" in one for one in failures):
        raise Failure(f"the exceptions do not tell that the TaskManager was stopped: {failures}")


@test(CHECKPOINTS + HEARTBEATS)
def a_killed_master_is_replaced(cluster, folder):
    job = with_a_fault(cluster, folder,
                       lambda cluster: os.kill(cluster.job_managers[0].children()[0], signal.SIGKILL))
    failures = failures_of(cluster, job)
    if not any("the job's master, process" in one and "killed by signal 9" in one for one in failures):
        raise Failure(f"the exceptions do not tell of the master's end: {failures}")


@test(CHECKPOINTS + HEARTBEATS)
def a_stopped_task_manager_is_taken_for_lost(cluster, folder):
    def freeze(cluster):
        tm = next(tm for tm in cluster.task_managers if tm.children())
        stopped = [tm.pid] + tm.children()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("it is lost", lambda: cluster.get("/overview")["taskmanagers"] == 1)
        finally:
            # Its worker keeps the lock of the sink's folder until it can see that it has been replaced.
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        wait_for("it comes back", lambda: cluster.get("/overview")["taskmanagers"] == 2)
    job = with_a_fault(cluster, folder, freeze, numbers=100000)
    failures = failures_of(cluster, job)
    if not any("was not heard of for" in one for one in failures):
        raise Failure(f"the exceptions do not tell of the silence: {failures}")


@test(HEARTBEATS + ["taskmanager.resource-id=same"])
def a_second_task_manager_with_the_same_id_waits_for_the_end_of_the_first(cluster, folder):
    cluster.start_job_manager()
    first = cluster.start_task_manager("-Dtaskmanager.memory.process.size=1g")
    cluster.wait_slots(1)
    second = cluster.start_task_manager("-Dtaskmanager.memory.process.size=1g", "-Dtaskmanager.numberOfTaskSlots=3")
    wait_for("it is told why", lambda: "taskmanager.resource-id has to be different" in second.text())
    if cluster.get("/overview")["slots-total"] != 1 or "is lost" in cluster.job_managers[0].text():
        raise Failure("the first one was pushed out")
    first.kill()
    cluster.wait_slots(3)


@test(CHECKPOINTS + HEARTBEATS)
def a_job_waits_for_slots_and_says_why(cluster, folder):
    cluster.start_job_manager()
    script, out = ledger(folder, 2000, 10000)
    job = cluster.run(script)
    cluster.wait_state(job, "CREATED")
    cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
    cluster.wait_state(job, "FINISHED")
    check_ledger(out, 2000)


@test(HEARTBEATS + ["slot.request.timeout=1s", "restart-strategy.type=none"])
def a_job_without_slots_fails_after_the_timeout(cluster, folder):
    start(cluster, task_managers=1, slots=2)
    script, _ = ledger(folder, 2000, 10000, parallelism=8)
    job = cluster.run(script)
    wait_for("it fails", lambda: cluster.state(job) == "FAILED")
    text = str(cluster.get(f"/jobs/{job}/exceptions"))
    if "needs 8 slots" not in text:
        raise Failure(f"the exceptions do not say what is missing: {text}")


@test(CHECKPOINTS + HEARTBEATS)
def a_script_that_is_wrong_fails_its_job_with_the_place(cluster, folder):
    start(cluster, task_managers=1)
    script = folder / "wrong.sql"
    script.write_text("INSERT INTO nowhere SELECT 1;\n")
    job = cluster.run(script)
    wait_for("it fails", lambda: cluster.state(job) == "FAILED")
    text = str(cluster.get(f"/jobs/{job}/exceptions"))
    if "nowhere" not in text:
        raise Failure(f"the exceptions do not name what is wrong: {text}")


@test(CHECKPOINTS + HEARTBEATS)
def a_connector_of_a_plugin_is_found_by_masters_and_workers(cluster, folder):
    library = pathlib.Path(cluster.program).resolve().parent.parent / "plugins" / "spool" / "libspool.so"
    if not library.is_file():
        raise Failure(f"the example connector is not built: {library}")
    start(cluster)
    numbers = 20000
    script, out = ledger(folder, numbers, 10000)
    script.write_text(script.read_text().replace("'connector' = 'filesystem'", "'connector' = 'spool'")
                      .replace("'format' = 'csv'", "'format' = 'json'"))
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    wait_for("a checkpoint", lambda: cluster.completed_checkpoints(job) >= 2)
    workers = [pid for tm in cluster.task_managers for pid in tm.children()]
    os.kill(workers[0], signal.SIGKILL)
    cluster.wait_state(job, "FINISHED")
    seen = [int(re.search(r"\d+", line).group()) for path in out.iterdir() if not path.name.startswith(".")
            for line in path.read_text().splitlines()]
    if sorted(seen) != list(range(1, numbers + 1)):
        raise Failure(f"{len(seen)} rows of {numbers} numbers, {len(set(seen))} of them different")


@test(CHECKPOINTS + HEARTBEATS)
def task_managers_come_back_to_another_job_manager(cluster, folder):
    start(cluster)
    port = cluster.rpc_port
    cluster.job_managers[0].kill()
    cluster.start_job_manager(rpc_port=port)
    cluster.wait_slots(4)
    script, out = ledger(folder, 2000, 10000)
    cluster.wait_state(cluster.run(script), "FINISHED")
    check_ledger(out, 2000)


def is_alive(pid):
    try:
        return " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def leader_fails_over(cluster, folder, settings, master_dies=False, is_stopped=False):
    for _ in range(2):
        cluster.start_job_manager(*settings)
    urls = [wait_for("its address", lambda p=p: p.text().rsplit("the cluster, ", 1)[-1].split()[0])
            for p in cluster.job_managers]
    cluster.url = urls[0]
    for _ in range(2):
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g",
                                   *settings)
    cluster.wait_slots(4)
    script, out = ledger(folder, 100000, 10000)
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    wait_for("a checkpoint", lambda: cluster.completed_checkpoints(job) >= 2)
    leader = next(i for i, p in enumerate(cluster.job_managers) if p.children())
    masters = cluster.job_managers[leader].children()
    workers = sorted(pid for tm in cluster.task_managers for pid in tm.children())
    if is_stopped:
        cluster.job_managers[leader].stop()
    else:
        cluster.job_managers[leader].kill()
    if master_dies:
        os.kill(masters[0], signal.SIGKILL)
    cluster.url = urls[1 - leader]

    def is_there():
        try:
            return cluster.state(job) in ("RUNNING", "FINISHED")
        except (Failure, OSError):  # it does not lead yet, or sends on to the one before
            return False
    wait_for("the other one leads", is_there)
    text = cluster.job_managers[1 - leader].text()
    if not master_dies:
        if "runs on" not in text or not is_alive(masters[0]) or not all(is_alive(pid) for pid in workers):
            raise Failure(f"the job does not run on as it was: master {masters}, workers {workers}")
        restarts = next(metric["value"] for metric in cluster.get(f"/jobs/{job}/metrics?get=numRestarts"))
        if restarts != "0":
            raise Failure(f"the job was restarted {restarts} times")
    cluster.wait_state(job, "FINISHED", seconds=120)
    check_ledger(out, 100000)


@test(CHECKPOINTS + HEARTBEATS)
def another_leader_goes_on_with_the_jobs(cluster, folder):
    leader_fails_over(cluster, folder, ["-Dhigh-availability.type=filesystem",
                                        f"-Dhigh-availability.storageDir={folder / 'ha'}"])


@test(CHECKPOINTS + HEARTBEATS)
def another_leader_goes_on_with_the_jobs_of_one_that_was_stopped(cluster, folder):
    leader_fails_over(cluster, folder, ["-Dhigh-availability.type=filesystem",
                                        f"-Dhigh-availability.storageDir={folder / 'ha'}"], is_stopped=True)


@test(CHECKPOINTS + HEARTBEATS)
def a_job_manager_that_is_stopped_alone_ends_its_jobs(cluster, folder):
    start(cluster)
    script, _ = ledger(folder, 1000000, 1000)
    cluster.wait_state(cluster.run(script), "RUNNING")
    masters = cluster.job_managers[0].children()
    cluster.job_managers[0].stop()
    wait_for("its masters end", lambda: not any(is_alive(pid) for pid in masters))


@test(CHECKPOINTS + HEARTBEATS)
def another_leader_starts_jobs_again_whose_masters_died(cluster, folder):
    leader_fails_over(cluster, folder, ["-Dhigh-availability.type=filesystem",
                                        f"-Dhigh-availability.storageDir={folder / 'ha'}"], master_dies=True)


@test(CHECKPOINTS + HEARTBEATS)
def a_job_recovers_from_local_copies_of_its_state(cluster, folder):
    settings = ["execution.checkpointing.local-backup.enabled=true", "execution.state-recovery.from-local=true",
                f"execution.checkpointing.local-backup.dirs={folder / 'copies'}",
                "execution.checkpointing.data-inline-threshold=0"]
    cluster.settings += [f"-D{setting}" for setting in settings]

    def kill(cluster):
        tm = next(tm for tm in cluster.task_managers if tm.children())
        os.kill(tm.children()[0], signal.SIGKILL)
    with_a_fault(cluster, folder, kill)
    logs = "".join(log.read_text(errors="replace") for log in (folder / "log").glob("tidewheel-worker-*"))
    if "have copies on this machine" not in logs:
        raise Failure("no worker has found local copies")
    wait_for("copies go with the job", lambda: not list((folder / "copies").glob("*/*")))


TESTS.update(clients.TESTS)


@test(CHECKPOINTS + HEARTBEATS)
def a_cluster_for_an_application_ends_with_it(cluster, folder):
    script, out = ledger(folder, 5000, 10000)
    cluster.start_job_manager("--application", str(script))
    cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
    processes = cluster.job_managers + cluster.task_managers
    wait_for("all processes end", lambda: not any(process.running() for process in processes))
    codes = [process.popen.returncode for process in processes]
    if codes != [0, 0]:
        raise Failure(f"exit statuses are {codes}")
    check_ledger(out, 5000)


# ---- In stages: what is read is in files before anything is written.

def in_stages(cluster, folder, fault, numbers=2000000):
    """Runs a bounded job in two stages, with a fault while the second one is at work; how often each was started."""
    start(cluster)
    script, out = ledger(folder, numbers, 100000000)
    script.write_text("SET 'execution.runtime-mode' = 'batch';\n" + script.read_text().replace(
        "'format' = 'csv'", "'format' = 'csv', 'sink.parallelism' = '1'"))
    job = cluster.run(script)
    wait_for("the second stage", lambda: [v["status"] for v in cluster.job(job)["vertices"]] == ["FINISHED", "RUNNING"])
    results = list(folder.glob("**/results/*/*/*"))
    if not results:
        raise Failure("there are no files of the first stage")
    fault(cluster, job)
    cluster.wait_state(job, "FINISHED", seconds=120)
    check_ledger(out, numbers)
    wait_for("files go with the job", lambda: not any(path.is_file() for path in folder.glob("**/results/**/*")))
    attempts = [max(task["attempt"] for task in cluster.get(f"/jobs/{job}/vertices/{v['id']}")["subtasks"]) + 1
                for v in cluster.job(job)["vertices"]]
    return attempts


RESTARTS = ["restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=1000",
            "restart-strategy.fixed-delay.delay=100ms"]


@test(RESTARTS + HEARTBEATS)
def a_stage_whose_worker_is_killed_reads_the_files_again(cluster, folder):
    def kill(cluster, job):
        for tm in cluster.task_managers:
            for pid in tm.children():
                os.kill(pid, signal.SIGKILL)
    attempts = in_stages(cluster, folder, kill)
    if attempts[0] != 1 or attempts[1] < 2:
        raise Failure(f"stages were started {attempts} times")


@test(RESTARTS + HEARTBEATS)
def a_stage_whose_files_are_lost_with_a_task_manager_runs_again(cluster, folder):
    def kill(cluster, job):
        next(tm for tm in cluster.task_managers if tm.children()).kill()
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
    attempts = in_stages(cluster, folder, kill)
    if attempts[0] < 2:
        raise Failure(f"stages were started {attempts} times")


def parts_of(out):
    """How many part files have their names, and how many are hidden still."""
    names = [path.name for path in out.glob("*part-*")]
    hidden = sum(name.startswith(".") for name in names)
    return len(names) - hidden, hidden


@test(RESTARTS + HEARTBEATS)
def a_worker_that_is_killed_between_commits_has_written_each_row_once(cluster, folder):
    start(cluster)
    numbers = 400000
    script, out = ledger(folder, numbers, 100000000)
    # Some hundred parts, each of which gets its name by itself.
    script.write_text("SET 'execution.runtime-mode' = 'batch';\n" + script.read_text().replace(
        "'format' = 'csv'", "'format' = 'csv', 'sink.parallelism' = '3', 'sink.rolling-policy.file-size' = '2kb'"))
    job = cluster.run(script)

    def some_are_there():
        named, hidden = parts_of(out)
        return named > 0 and (named, hidden)

    deadline = time.monotonic() + 60
    while not some_are_there():
        if time.monotonic() > deadline:
            raise Failure("no part has got its name")
    for tm in cluster.task_managers:
        for pid in tm.children():
            os.kill(pid, signal.SIGKILL)
    named, hidden = parts_of(out)
    if not hidden:
        raise Failure(f"all {named} parts had their names before the kill")
    cluster.wait_state(job, "FINISHED", seconds=120)
    check_ledger(out, numbers)
    if parts_of(out)[1]:
        raise Failure("hidden parts are left")
    restarts = len(cluster.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"])
    if not restarts:
        raise Failure("the job was not hit")
    attempts = [task["attempt"] for v in cluster.job(job)["vertices"]
                for task in cluster.get(f"/jobs/{job}/vertices/{v['id']}")["subtasks"]]
    if any(attempts):
        raise Failure(f"rows were written again: attempts {attempts}")


def two_free_ports():
    """The first of two that follow each other, below those that the system gives to others meanwhile."""
    for port in range(20000 + os.getpid() % 5000 * 2, 32000, 2):
        try:
            for number in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("localhost", number))
            return port
        except OSError:
            pass
    raise Failure("no two ports are free")


class Home:
    """An installation's folder, whose scripts are run."""

    def __init__(self, cluster, folder, config):
        root = pathlib.Path(__file__).resolve().parent.parent.parent
        self.folder = folder / "home"
        shutil.copytree(root / "distribution", self.folder)
        self.write("config.yaml", f"io.tmp.dirs: {folder / 'tmp'}\n" + config)
        self.environment = dict(os.environ, TIDEWHEEL_PROGRAM=cluster.program, TIDEWHEEL_PID_DIR=str(folder / "pids"))
        for name in ("TIDEWHEEL_CONF_DIR", "TIDEWHEEL_LOG_DIR"):
            self.environment.pop(name, None)

    def write(self, name, text):
        (self.folder / "conf" / name).write_text(text)

    def script(self, name, *arguments, status=0):
        done = subprocess.run([self.folder / "bin" / name, *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode != status:
            raise Failure(f"{name}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + (done.stderr if status else "")

    def stop(self):
        return self.script("taskmanager.sh", "stop-all") + self.script("jobmanager.sh", "stop-all")


def misbehaving(cluster):
    build = pathlib.Path(cluster.program).resolve().parent.parent
    library = next(build.rglob("libmisbehaving.so"), None)
    if library is None:
        raise Failure(f"{build} has no libmisbehaving.so: build misbehaving_plugin")
    return library


@test(HEARTBEATS + ["env.log.format=json", "restart-strategy.type=fixed-delay", "restart-strategy.fixed-delay.attempts=1",
                    "restart-strategy.fixed-delay.delay=10ms"])
def logs_of_json_tell_of_jobs_and_tasks(cluster, folder):
    start(cluster)
    job = cluster.run(misbehaving(cluster), programArgsList=["--case", "throws"])
    wait_for("it fails", lambda: cluster.state(job) == "FAILED")
    wait_for("its processes end", lambda: not any(p.children() for p in cluster.job_managers + cluster.task_managers))
    lines = {}
    texts = {process.name: process.text() for process in cluster.job_managers + cluster.task_managers}
    texts.update({path.name: path.read_text() for path in (folder / "log").glob("*.log")})
    for name, text in texts.items():
        lines[name] = [json.loads(line) for line in text.splitlines()]
        for line in lines[name]:
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]):
                raise Failure(f"{name}: no time of ISO 8601: {line}")
            if line["level"] not in ("DEBUG", "INFO", "WARN", "ERROR") or not {"logger", "message", "process", "pid"} <= set(line):
                raise Failure(f"{name}: not all there: {line}")
    everything = [line for some in lines.values() for line in some]
    roles = {line["process"] for line in everything}
    if roles != {"jobmanager", "taskmanager", "job-master", "worker"}:
        raise Failure(f"there are lines of {roles}")
    for line in everything:
        is_about = line["process"] in ("job-master", "worker") or \
            line["logger"] in ("jobmanager", "taskmanager") and job in line["message"]
        if is_about and line.get("job") != job:
            raise Failure(f"the job is not told: {line}")
    refused = subprocess.run(cluster.command("jobmanager", ["-Djobmanager.rpc.port=0", f"-Drest.port={cluster.url.split(':')[-1]}"]),
                             capture_output=True, text=True, timeout=60, check=False).stderr
    if "in use" not in [json.loads(line) for line in refused.splitlines()][-1]["message"]:
        raise Failure(f"why a process ends is no line of JSON: {refused}")
    failed = sorted(line["attempt"] for line in everything
                    if "the task has failed" in line["message"] and line["task"] and line["subtask"] == 0)
    if failed != [0, 1]:
        raise Failure(f"the failures are those of attempts {failed}")


def all_of(folder, pattern):
    """The text of files, the oldest first: NAME.2, NAME.1, NAME."""
    paths = sorted(folder.glob(pattern), key=lambda path: -int(re.search(r"(\d*)$", path.name).group() or 0))
    return "".join(path.read_text() for path in paths), [path.name for path in paths]


@test(CHECKPOINTS + HEARTBEATS + ["env.log.max-file-size=1kb", "env.log.max=500"])
def log_and_output_files_are_kept_small(cluster, folder):
    start(cluster, task_managers=1)
    script = folder / "print.sql"
    script.write_text(f"""
SET 'execution.checkpointing.dir' = '{folder / "checkpoints"}';
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '4000');
CREATE TABLE printed (n BIGINT) WITH ('connector' = 'print');
INSERT INTO printed SELECT n FROM numbers;
""")
    follow = subprocess.Popen([cluster.program, "logs", "-m", cluster.url, "-f"], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(2):
            cluster.wait_state(cluster.run(script), "FINISHED")
        time.sleep(2)
    finally:
        follow.terminate()
    followed = follow.communicate()[0]
    for job in {name.split("-")[2] for name in os.listdir(folder / "log") if name.startswith("tidewheel-worker-")}:
        text, names = all_of(folder / "log", f"tidewheel-worker-{job}-*.out*")
        if names and (len(names) < 3 or sorted(map(int, re.findall(r"\d+", text))) != list(range(1, 4001))):
            raise Failure(f"{names} do not have each row once")
    own = cluster.job_managers[0].log
    text, names = all_of(own.parent, own.name + "*")
    if len(names) < 2 or any((own.parent / name).stat().st_size > 4000 for name in names):
        raise Failure(f"the JobManager's log is not put away: {names}")
    if followed != text:
        raise Failure(f"what was followed is not what was logged:\n{followed}\n----\n{text}")
    if own.name + ".1" not in {entry["name"] for entry in cluster.get("/jobmanager/logs")["logs"]}:
        raise Failure("the older files are not shown")


@test([])
def a_port_that_is_taken_is_told_with_its_key(cluster, folder):
    taken = two_free_ports()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        for role, key, others in (("jobmanager", "rest.port", ["jobmanager.rpc.port=0"]),
                                  ("jobmanager", "rest.bind-port", ["jobmanager.rpc.port=0"]),
                                  ("jobmanager", "jobmanager.rpc.port", ["rest.port=0"]),
                                  ("jobmanager", "high-availability.jobmanager.port",
                                   ["rest.port=0", "high-availability.type=filesystem", f"high-availability.storageDir={folder / 'ha'}"]),
                                  ("taskmanager", "taskmanager.rpc.port", []),
                                  ("historyserver", "historyserver.web.port", [f"historyserver.archive.fs.dir={folder}"])):
            settings = [f"-D{one}" for one in [f"{key}={taken}", *others]]
            done = subprocess.run(cluster.command(role, settings), capture_output=True, text=True, timeout=60, check=False)
            said = done.stderr
            if done.returncode != 1 or f"{key} is {taken}" not in said or "in use; stop what listens there, or give" not in said:
                raise Failure(f"{role}, {key}: {done.returncode} {said}")
        cluster.start_job_manager("-Dslot.request.timeout=3s", "-Drestart-strategy.type=none")
        cluster.start_task_manager(f"-Dtaskmanager.data.port={taken}", f"-Dmetrics.reporter.prom.port={taken}",
                                   "-Dmetrics.reporters=prom", "-Dmetrics.reporter.prom.factory.class=prometheus",
                                   "-Dtaskmanager.memory.process.size=1g")
        cluster.wait_slots(1)
        if f"metrics.reporter.prom.port is {taken}" not in cluster.task_managers[0].text():
            raise Failure("the port of the metrics is not told")
        job = cluster.run(ledger(folder, 100, 1000, parallelism=1)[0])
        wait_for("it fails", lambda: cluster.state(job) == "FAILED")
        if f"taskmanager.data.port is {taken}" not in failures_of(cluster, job)[-1]:
            raise Failure(f"the worker's port is not told: {failures_of(cluster, job)}")


@test([])
def the_scripts_start_and_stop_a_cluster(cluster, folder):
    port = two_free_ports()
    home = Home(cluster, folder, f"jobmanager.rpc.port: {port}\nrest:\n  port: {port + 1}\n")
    # The last line has no end, as some editors leave it.
    home.write("workers", "localhost\nlocalhost # the same machine twice")
    started = home.script("start-cluster.sh")
    try:
        cluster.url = f"http://localhost:{port + 1}"
        wait_for("two TaskManagers", lambda: cluster.get("/overview")["taskmanagers"] == 2)
        logs = {path.suffix for path in (home.folder / "log").iterdir()}
        if not {".log", ".out"} <= logs:
            raise Failure(f"there are no log files: {logs}")
        home.script("taskmanager.sh", "stop")
        wait_for("one TaskManager", lambda: cluster.get("/overview")["taskmanagers"] == 1)
        home.write("config.yaml", "jobmanager.rpc.port: none\n")  # what runs can be stopped all the same
    finally:
        stopped = home.stop()
    pids = [int(pid) for pid in re.findall(r"as process (\d+)", started)]
    if len(pids) != 3 or any(os.path.exists(f"/proc/{pid}") for pid in pids):
        raise Failure(f"{started}{stopped}")


@test([])
def the_scripts_start_a_job_manager_for_each_line_of_masters(cluster, folder):
    port = two_free_ports()
    high_availability = f"high-availability.type: filesystem\nhigh-availability.storageDir: {folder / 'ha'}\n"
    home = Home(cluster, folder, high_availability)
    home.write("masters", f"localhost:{port}\nlocalhost:{port + 1}")
    home.script("start-cluster.sh")
    try:
        for number in (port, port + 1):
            cluster.url = f"http://localhost:{number}"
            wait_for("each has its port", lambda: cluster.get("/overview")["taskmanagers"] == 1)
    finally:
        home.script("stop-cluster.sh")
    home.write("config.yaml", f"io.tmp.dirs: {folder / 'tmp'}\n")
    refusal = home.script("start-cluster.sh", status=1)
    if "high-availability.type" not in refusal:
        raise Failure(f"two JobManagers without high availability are not refused: {refusal}")


@test([])
def the_scripts_keep_logs_and_process_ids_where_the_configuration_says(cluster, folder):
    home = Home(cluster, folder, f"jobmanager.rpc.port: 0\nrest.port: 0\nenv.pid.dir: {folder / 'ids'}\n"
                                 f"env.log.dir: {folder / 'logs'}\nenv.log.max: 2\n")
    del home.environment["TIDEWHEEL_PID_DIR"]
    for _ in range(5):
        home.script("jobmanager.sh", "start")
        if not list((folder / "ids").glob("*-jobmanager.pid")):
            raise Failure("there is no file of process ids")
        home.script("jobmanager.sh", "stop")
    logs = sorted(re.search(r"\.((log|out)[.\d]*)$", path.name).group(1) for path in (folder / "logs").iterdir())
    if logs != ["log", "log.1", "log.2", "out", "out.1", "out.2"]:
        raise Failure(f"kept are {logs}")


@test([])
def the_scripts_say_how_they_are_used(cluster, folder):
    home = Home(cluster, folder, "")
    for name in ("jobmanager.sh", "taskmanager.sh", "historyserver.sh", "standalone-job.sh"):
        for text in (home.script(name, status=1), home.script(name, "begin", status=1), home.script(name, "--help")):
            if f"{name} (start|start-foreground)" not in text or "stop-all" not in text:
                raise Failure(f"{name} says: {text}")
    refusal = home.script("standalone-job.sh", "start", "-Drest.port=0", "--", "--application", status=1)
    if "--application FILE" not in refusal:
        raise Failure(f"a cluster of an application without one is not refused: {refusal}")


def add_zookeeper(quorum):
    """With a real ZooKeeper, which is the caller's."""
    settings = ["-Dhigh-availability.type=zookeeper", f"-Dhigh-availability.zookeeper.quorum={quorum}",
                f"-Dhigh-availability.cluster-id=/test-{os.getpid()}-{time.time_ns()}",
                "-Dhigh-availability.zookeeper.client.session-timeout=4s"]

    @test(CHECKPOINTS + HEARTBEATS)
    def another_leader_goes_on_by_zookeeper(cluster, folder):
        leader_fails_over(cluster, folder, settings + [f"-Dhigh-availability.storageDir={folder / 'ha'}"])
    return another_leader_goes_on_by_zookeeper


def with_cluster(function, settings):
    def run(program, folder):
        with Cluster(program, folder, settings) as cluster:
            try:
                function(cluster, folder)
            except Exception:
                print(cluster.logs(), flush=True)
                raise
    return run


def main():
    parser = test_arguments(__doc__)
    parser.add_argument("--zookeeper", metavar="HOST:PORT", help="runs the test with this server too")
    options = parser.parse_args()
    if options.zookeeper:
        add_zookeeper(options.zookeeper)
    return run_tests({name: with_cluster(*test) for name, test in TESTS.items()}, options)


if __name__ == "__main__":
    sys.exit(main())
