#!/usr/bin/env python3
"""A job from Kafka to Kafka under attack, against a real broker: its processes are killed, by themselves or those of a
cluster, and so is the broker; then readers of committed messages have to see each message once, in order, with the
state that it should have met.

  kafka_check.py BIN_DIRECTORY [--kills N] [--seed S] [--broker-kills M] [CASE...]

The broker is started from KAFKA_HOME (tests/services/kafka); without one this says so and answers 77."""
import argparse
import collections
import importlib.machinery
import importlib.util
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "cluster"))
import local_cluster  # pylint: disable=wrong-import-position

PATIENCE_S = 180
KEYS = 100
# Messages a second that come while a job is attacked, and how many come at a time.
RATE, CHUNK = 1_000, 10_000
# Producers that may fail while a job is attacked.
FEEDERS_MAX = 50


# What kafka_ledger.cc does.
LEDGER = """
CREATE TABLE numbers (k STRING, n BIGINT, at AS PROCTIME()) WITH (
  'connector' = 'kafka', 'topic' = '{source}', 'properties.bootstrap.servers' = '{brokers}',
  'properties.group.id' = 'job-{target}', 'scan.startup.mode' = 'earliest-offset', 'key.format' = 'raw',
  'key.fields' = 'k', 'value.format' = 'csv', 'value.fields-include' = 'EXCEPT_KEY');
CREATE TABLE `lines` (k STRING, n BIGINT, c BIGINT, s BIGINT) WITH (
  'connector' = 'kafka', 'topic' = '{target}', 'properties.bootstrap.servers' = '{brokers}',
  'key.format' = 'raw', 'key.fields' = 'k', 'value.format' = 'csv', 'value.fields-include' = 'EXCEPT_KEY',
  'sink.delivery-guarantee' = '{guarantee}', 'sink.transactional-id-prefix' = 'job-{target}');
INSERT INTO `lines` SELECT k, n, COUNT(*) OVER w, SUM(n) OVER w FROM numbers
  WINDOW w AS (PARTITION BY k ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);
"""


# Reads what that has written.
READER = """
CREATE TABLE `lines` (v STRING, `at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, WATERMARK FOR `at` AS `at`)
WITH ('connector' = 'kafka', 'topic' = '{target}', 'properties.bootstrap.servers' = '{brokers}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'raw');
CREATE TABLE nothing (v STRING) WITH ('connector' = 'blackhole');
INSERT INTO nothing SELECT v FROM `lines`;
"""


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def broker_script():
    loader = importlib.machinery.SourceFileLoader("kafka_broker", str(HERE / "kafka"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kafka_broker", loader))
    loader.exec_module(module)
    return module


class Ground:
    """A broker of its own, and where the jobs are."""

    def __init__(self, bin_folder, scratch, options):
        self.bin, self.scratch, self.kills = bin_folder, scratch, options.kills
        self.broker_kills = options.broker_kills if options.broker_kills is not None else options.kills // 5
        self.chance = random.Random()
        self.script = broker_script()
        self.folder = scratch / "broker"
        self.brokers = self.script.start(self.folder)
        self.topics = 0

    def end_broker(self):
        """Ends it, by force or in good order, and starts it again."""
        self.script.end(self.folder, self.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
        time.sleep(self.chance.choice((0, 0.5, 2)))
        expect(self.script.start(self.folder) == self.brokers, "the broker has another address now")

    def close(self):
        self.script.end(self.folder, signal.SIGKILL)

    def tool(self, *words, check=True):
        command = [self.bin / "kafka_ledger_tool", words[0], self.brokers, *words[1:]]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        expect(not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
        return done.returncode, done.stdout + done.stderr

    def new_topics(self):
        self.topics += 1
        names = f"in-{self.topics}", f"out-{self.topics}"
        self.tool("create", names[0], 4)
        self.tool("create", names[1], 3)
        return names


class Job:
    """The ledger job, with its topics, its input and its checkpoints."""

    def __init__(self, ground, guarantee="exactly-once"):
        self.ground, self.guarantee = ground, guarantee
        self.source, self.target = ground.new_topics()
        self.folder = ground.scratch / f"job-{ground.topics}"
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.log.touch()
        self.rows, self.feeder, self.failed_feeders = 0, None, 0

    def feed(self, rows=CHUNK, rate=RATE):
        """Writes more of the input, in a process of its own, unless that before is not written yet. One that has failed,
        as a producer may whose broker is killed, is followed by one that writes what is missing."""
        if self.feeder is not None and self.feeder.poll() is None:
            return
        if self.feeder is None or self.feeder.returncode == 0:
            self.rows += rows
        else:
            self.failed_feeders += 1
            expect(self.failed_feeders <= FEEDERS_MAX, f"input is not written: {self.tail()}")
        self.feeder = self.run(self.ground.bin / "kafka_ledger_tool", "produce", self.ground.brokers, self.source,
                               self.rows, KEYS, rate)

    def wait_until_fed(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.feeder is not None and self.feeder.poll() != 0:
            expect(time.monotonic() < deadline, f"input is not written: {self.tail()}")
            if self.feeder.poll() is not None:
                self.feed()
            time.sleep(0.1)

    def start_in_shell(self, parallelism, interval_ms):
        """The same job as a script, run by the SQL shell."""
        return self.run(self.ground.bin / "tidewheel", "sql", "-f", self.script(), "-p", parallelism,
                        "--checkpoint-interval", f"{interval_ms}ms", "--checkpoint-dir", self.folder / "checkpoints",
                        "-Dexecution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION", "--resume")

    def start(self, parallelism, interval_ms, *arguments):
        """The job in one process of its own."""
        return self.run(self.ground.bin / "kafka_ledger", "--brokers", self.ground.brokers, "--in", self.source,
                        "--out", self.target, "--prefix", f"job-{self.target}", "--keys", KEYS, "--guarantee",
                        self.guarantee, "--checkpoint-dir", self.folder / "checkpoints", "--parallelism", parallelism,
                        "--interval-ms", interval_ms, *arguments)

    def run(self, *words):
        with open(self.log, "ab") as log:
            return subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def script(self):
        """The same job in SQL."""
        path = self.folder / "ledger.sql"
        path.write_text(LEDGER.format(brokers=self.ground.brokers, source=self.source, target=self.target,
                                      guarantee=self.guarantee))
        return path

    def verify(self):
        return self.ground.tool("verify", self.target, self.rows, KEYS, self.guarantee, check=False)

    def check(self, what):
        """That nothing is wrong with the output so far; how many messages there are."""
        status, text = self.verify()
        expect(status in (0, 2), f"{what}: {text}\n{self.tail()}")
        return int(text.split()[0])

    def wait_until_all_is_there(self, still_runs):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            expect(still_runs(), f"it has ended: {self.tail()}")
            status, text = self.verify()
            if status == 0:
                return text.strip()
            expect(status == 2, f"{text}\n{self.tail()}")
            expect(time.monotonic() < deadline, f"it does not get on: {text}\n{self.tail()}")
            time.sleep(0.5)

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:]


def sleep_or_end(process, seconds):
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass


def moment(chance):
    """How long until the next kill: often in the midst of its start."""
    return chance.choice((chance.uniform(0, 0.4), chance.uniform(0.4, 1.5), chance.uniform(0.4, 3)))


def killed_on_its_way(ground, job, kills, start):
    """Kills the job again and again while its input comes, at another parallelism each time, and the broker now and
    then; afterwards all of the output has to be there."""
    process = None
    broker_kills = ground.broker_kills * kills // ground.kills
    broker_at = set(ground.chance.sample(range(kills), min(broker_kills, kills)))
    try:
        for killed in range(kills):
            job.feed()
            process = start(ground.chance.randint(1, 3), ground.chance.choice((100, 200, 500)))
            sleep_or_end(process, moment(ground.chance))
            if killed in broker_at:
                ground.end_broker()
                sleep_or_end(process, ground.chance.uniform(0, 4))
            expect(process.poll() is None, f"it has ended by itself with {process.returncode}: {job.tail()}")
            process.kill()
            process.wait()
            if (killed + 1) % max(1, kills // 20) == 0:
                job.check(f"after {killed + 1} kills")
        process = start(2, 200)
        job.wait_until_fed()
        # All of it can be read: no transaction that was left open is before it.
        text = job.wait_until_all_is_there(lambda: process.poll() is None)
        print(f"  {kills} kills, and {len(broker_at)} of the broker: {text}", flush=True)
    finally:
        put_away(job.feeder, process)


def put_away(*processes):
    for process in processes:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def a_job_that_is_killed_writes_each_message_once(ground):
    job = Job(ground)
    killed_on_its_way(ground, job, ground.kills, job.start)


def a_script_of_the_shell_that_is_killed_writes_each_message_once(ground):
    job = Job(ground)
    killed_on_its_way(ground, job, max(ground.kills // 4, 5), job.start_in_shell)


def output_whose_transaction_has_expired_is_sent_again(ground):
    """Transactions expire while the job is down: between their checkpoint and their commit, and before."""
    job = Job(ground)
    arguments = (2, 200, "--transaction-timeout-ms", 2000)
    process = None
    try:
        for _ in range(max(4, ground.kills // 5)):
            job.feed()
            process = job.start(*arguments)
            sleep_or_end(process, 1 + ground.chance.uniform(0, 0.4))
            expect(process.poll() is None, f"it has ended by itself: {job.tail()}")
            process.kill()
            process.wait()
            time.sleep(3)  # the broker looks twice a second
        process = job.start(*arguments)
        job.wait_until_fed()
        print(f"  {job.wait_until_all_is_there(lambda: process.poll() is None)}", flush=True)
    finally:
        put_away(job.feeder, process)


def at_least_once_loses_nothing(ground):
    job = Job(ground, "at-least-once")
    killed_on_its_way(ground, job, max(ground.kills // 4, 5), job.start)


class ClusterUnderAttack:
    """A JobManager, which has its jobs in a folder, and two TaskManagers, with the ledger job."""

    SETTINGS = ("execution.checkpointing.interval=200ms", "restart-strategy.type=fixed-delay",
                "restart-strategy.fixed-delay.attempts=1000000", "restart-strategy.fixed-delay.delay=100ms",
                "heartbeat.interval=200ms", "heartbeat.timeout=3s", "high-availability.type=filesystem",
                "taskmanager.numberOfTaskSlots=2", "taskmanager.memory.process.size=1g")

    def __init__(self, ground, job):
        self.ground, self.job = ground, job
        self.cluster = local_cluster.Cluster(
            ground.bin / "tidewheel", job.folder / "cluster",
            [*self.SETTINGS, f"high-availability.storageDir={job.folder / 'ha'}",
             f"execution.checkpointing.dir={job.folder / 'checkpoints'}"])
        self.id = None
        self.killed = collections.Counter()

    def start(self):
        self.cluster.start_job_manager()
        for _ in range(2):
            self.cluster.start_task_manager()
        self.cluster.wait_slots(4)
        self.id = self.cluster.run(self.job.script(), parallelism=3)
        self.cluster.wait_state(self.id, "RUNNING")

    def kill_one(self):
        """A worker, a TaskManager, the job's master or the JobManager, whoever is there at the moment."""
        what = self.ground.chance.choices(("worker", "TaskManager", "master", "JobManager"), (8, 4, 3, 5))[0]
        cluster, chance = self.cluster, self.ground.chance
        if what == "JobManager":
            cluster.job_managers[-1].kill()  # it stays in the list: its masters are to be ended with the cluster
            cluster.start_job_manager()
        elif what == "TaskManager":
            cluster.task_managers.pop(chance.randrange(2)).kill()
            cluster.start_task_manager()
        else:
            managers = cluster.task_managers if what == "worker" else cluster.job_managers
            children = [pid for manager in managers for pid in manager.children() + manager.masters_left()]
            if not children:
                return
            try:
                os.kill(chance.choice(children), signal.SIGKILL)
            except ProcessLookupError:
                return
        self.killed[what] += 1

    def metric(self, suffix):
        """What all subtasks together have under the names that end so."""
        total = None
        for vertex in self.cluster.job(self.id)["vertices"]:
            path = f"/jobs/{self.id}/vertices/{vertex['id']}/subtasks/metrics"
            names = [one["id"] for one in self.cluster.get(path) if one["id"].endswith(suffix)]
            for one in self.cluster.get(f"{path}?get={','.join(names)}&agg=sum") if names else []:
                total = (total or 0) + float(one["sum"])
        return total

    def check_metrics(self):
        """How far behind the job is, and what it has committed, are seen by whoever looks at it."""
        local_cluster.wait_for("nothing is pending", lambda: self.metric("pendingRecords") == 0)
        local_cluster.wait_for("offsets are committed",
                               lambda: (self.metric("KafkaSourceReader.commitsSucceeded") or 0) > 0)
        for name in ("partition.0.recordsLag", "partition.0.committedOffset", "KafkaSourceReader.commitsFailed",
                     "KafkaSourceReader.bytesConsumed", "KafkaSourceReader.brokerFailures",
                     "KafkaSourceReader.offsetsOutOfRange", "currentFetchEventTimeLag", "numRecordsInErrors",
                     "numRecordsSend", "numBytesSend", "numRecordsSentAgain", "successfulCommittables",
                     "failedCommittables"):
            expect(self.metric(name) is not None, f"there is no metric {name}")
        # A reader of transactions is at the end too, though what ends them is behind the last message.
        self.cluster.ask("PATCH", f"/jobs/{self.id}?mode=cancel")
        self.cluster.wait_state(self.id, "CANCELED")
        script = self.job.folder / "reader.sql"
        script.write_text(READER.format(brokers=self.ground.brokers, target=self.job.target))
        self.id = self.cluster.run(script)
        self.cluster.wait_state(self.id, "RUNNING")
        local_cluster.wait_for("all is read", lambda: (self.metric("partition.0.currentOffset") or 0) > 0
                               and self.metric("pendingRecords") == 0)
        local_cluster.wait_for("event time is behind the clock", lambda: (self.metric("watermarkLag") or 0) > 0)

    def state(self):
        try:
            return self.cluster.state(self.id)
        except (local_cluster.Failure, OSError):  # it has no leader yet
            return "unknown"

    def still_runs(self):
        return self.state() not in ("FAILED", "FINISHED", "CANCELED")


def a_cluster_that_is_killed_writes_each_message_once(ground):
    """Workers, TaskManagers, masters and the JobManager are killed, and the broker now and then; after each twentieth
    part of it more output has to be there."""
    job = Job(ground)
    attack = ClusterUnderAttack(ground, job)
    brokers, there, checks = 0, 0, 0
    with attack.cluster:
        try:
            job.feed()
            attack.start()
            while (kills := attack.killed.total()) < ground.kills:
                job.feed()
                time.sleep(moment(ground.chance))
                attack.kill_one()
                if brokers < ground.broker_kills * kills // ground.kills:
                    ground.end_broker()
                    brokers += 1
                if kills // max(1, ground.kills // 20) > checks:
                    checks += 1
                    there = wait_for_more(attack, there)
            job.wait_until_fed()
            text = job.wait_until_all_is_there(attack.still_runs)
            attack.check_metrics()
        except (local_cluster.Failure, Failed) as failure:
            (job.folder / "logs").write_text(attack.cluster.logs())
            raise Failed(f"{dict(attack.killed)}, broker {brokers}: {failure}; see {job.folder}/logs") from failure
        finally:
            put_away(job.feeder)
    killed = ", ".join(f"{what} {count}" for what, count in sorted(attack.killed.items()))
    print(f"  {attack.killed.total()} kills ({killed}), and {brokers} of the broker: {text}", flush=True)


def wait_for_more(attack, there):
    """Until the output has grown, which it does once the job runs again."""
    def grown():
        expect(attack.still_runs(), "the job has ended")
        now = attack.job.check(f"after {attack.killed.total()} kills")
        return now if now > there else None
    return local_cluster.wait_for(f"more than {there} messages", grown, PATIENCE_S)


CASES = (a_job_that_is_killed_writes_each_message_once, a_script_of_the_shell_that_is_killed_writes_each_message_once,
         a_cluster_that_is_killed_writes_each_message_once, output_whose_transaction_has_expired_is_sent_again, at_least_once_loses_nothing)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--broker-kills", type=int, help="a fifth of the others unless said")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_intermixed_args()
    names = {case.__name__: case for case in CASES}
    for name in options.cases:
        if name not in names:
            sys.exit(f"no such case: {name}; there are {', '.join(names)}")
    reason = broker_script().why_not()
    if reason:
        print(f"skipped: {reason}")
        return 77
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-kafka-"))
    ground = Ground(options.bin.resolve(), scratch, options)
    failed = 0
    try:
        for case in [names[name] for name in options.cases] or CASES:
            ground.chance.seed(options.seed)
            print(f"{case.__name__} (--seed {options.seed})", flush=True)
            began = time.monotonic()
            try:
                case(ground)
                print(f"  as it should be, {time.monotonic() - began:.0f} s", flush=True)
            except Failed as failure:
                failed += 1
                print(f"FAILED: {failure}", flush=True)
    finally:
        ground.close()
        if failed:
            print(f"what is left: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
