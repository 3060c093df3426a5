#!/usr/bin/env python3
"""Orders from Kafka to Kafka, exactly once, while workers are being killed.

  orders.py run                  feeds a new set of topics, runs the pipeline, and checks what comes out
  orders.py prove [--kills N]    the same, and kills the pipeline's processes all the while
  orders.py feed|job|watch --topics PREFIX
                                 the parts, each in a terminal of its own: feeding, the pipeline, the verifier

--brokers (or TIDEWHEEL_KAFKA_BOOTSTRAP) names the brokers, --registry (or SCHEMA_REGISTRY_URL) the registry of schemas, --bin
the folder of programs (build/release/bin). What has to come out follows from the numbers of the orders, and is computed here."""
import argparse
import collections
import csv
import datetime
import io
import os
import pathlib
import random
import re
import shutil
import string
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
START = datetime.datetime(2026, 1, 1)
CUSTOMERS, ORDER_MS, CHANGE_MS, WINDOW_MS = 500, 20, 100, 10_000
PATIENCE_S = 120  # without any progress
CHECKPOINTS = {"execution.checkpointing.interval": "1s", "restart-strategy.type": "fixed-delay",
               "restart-strategy.fixed-delay.attempts": "1000", "restart-strategy.fixed-delay.delay": "200ms"}


def expected_windows(orders):
    """(window, country) -> (orders, cents)."""
    changes = collections.defaultdict(list)  # of a customer: (ms, country), in order
    for number in range(last_change(orders)):
        at = 0 if number < CUSTOMERS else (number - CUSTOMERS) * CHANGE_MS
        changes[number % CUSTOMERS].append((at, f"country-{(number * 31 + number // CUSTOMERS) % 7}"))
    windows = collections.defaultdict(lambda: [0, 0])
    for number in range(orders):
        at = number * ORDER_MS
        country = [name for when, name in changes[number * 7919 % CUSTOMERS] if when <= at][-1]
        window = windows[(START + datetime.timedelta(milliseconds=at - at % WINDOW_MS), country)]
        window[0] += 1
        window[1] += number * 37 % 10_000
    return {key: tuple(value) for key, value in windows.items()}


def last_change(orders):
    return CUSTOMERS + orders * ORDER_MS // CHANGE_MS + 1


class Setting:
    """Where everything is, and the programs that are started."""

    def __init__(self, options):
        self.options, self.bin, self.topics = options, options.bin.resolve(), options.topics
        # The same for all parts that have the same topics, so that a job goes on from its checkpoints.
        self.scratch = pathlib.Path(tempfile.gettempdir()) / f"tidewheel-{options.topics}"
        self.scratch.mkdir(exist_ok=True)
        self.log = self.scratch / "log"
        for program in ("tidewheel", "orders_topic"):
            if not (self.bin / program).is_file():
                sys.exit(f"{self.bin / program} is not there: ./dev build tidewheel orders_topic orders_kafka orders_kafka_plugin")

    def fill_in(self, name):
        options = self.options
        text = string.Template((HERE / name).read_text()).substitute(
            topics=self.topics, brokers=options.brokers, registry=options.registry, rate=options.rate,
            last_order=options.orders - 1, last_change=last_change(options.orders))
        path = self.scratch / name
        path.write_text(text)
        return path

    def sql(self, *arguments):
        return [self.bin / "tidewheel", "sql", "-i", self.fill_in("tables.sql"), *arguments]

    def job_arguments(self):
        return ["--tables", self.fill_in("tables.sql"), "--brokers", self.options.brokers, "--topics", self.topics]

    def start(self, *command):
        with open(self.log, "ab") as log:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def create_topics(self):
        for name, partitions, policy in (("orders", 4, "delete"), ("customers", 1, "compact"), ("revenue", 3, "delete")):
            subprocess.run([self.bin / "orders_topic", self.options.brokers, f"{self.topics}-{name}", str(partitions), policy],
                           check=True)

    def feed(self):
        return self.start(*self.sql("-f", self.fill_in("feed.sql")))

    def give_up(self, why):
        sys.exit(f"WRONG: {why}\n(the folder of logs is {self.scratch})\n{self.log.read_text(errors='replace')[-2000:]}")


class ProcessJob:
    """The pipeline in a process of its own. Killed, it is started again at another parallelism, and goes on."""

    def __init__(self, setting):
        self.setting = setting
        self.process = setting.start(*self.command(setting))

    @staticmethod
    def command(setting):
        taking = ["-p", random.randint(1, 3), "--checkpoint-dir", setting.scratch / "checkpoints", "--resume",
                  *(f"-D{key}={value}" for key, value in CHECKPOINTS.items())]
        if setting.options.job == "sql":
            return setting.sql("-f", setting.fill_in("pipeline.sql"), *taking)
        return [setting.bin / "orders_kafka", *setting.job_arguments(), *taking]

    def check(self):
        if self.process.poll() is not None:
            self.setting.give_up(f"the pipeline has ended with {self.process.returncode}")

    def kill(self):
        self.stop()
        self.process = self.setting.start(*self.command(self.setting))
        return "the pipeline"

    def stop(self):
        self.process.kill()
        self.process.wait()


class ClusterJob:
    """The pipeline on a cluster: its workers are killed, and the cluster sees to the rest."""

    def __init__(self, setting):
        self.setting, self.processes = setting, []
        ready = self.start("jobmanager", "-Djobmanager.rpc.port=0", "-Drest.port=0")
        rpc, self.rest = re.search(r"is ready: \S+?:(\d+) for the cluster, http://(\S+) for clients", ready).groups()
        for _ in range(2):
            self.start("taskmanager", f"-Djobmanager.rpc.port={rpc}", "-Dtaskmanager.numberOfTaskSlots=1",
                       "-Dtaskmanager.memory.process.size=1g")
        settings = {**CHECKPOINTS, "parallelism.default": "2", "execution.checkpointing.dir": f"{setting.scratch}/checkpoints"}
        run = [setting.bin / "tidewheel", "run", "-m", self.rest, "-d"]
        if setting.options.job == "sql":
            script = setting.scratch / "job.sql"
            script.write_text("".join(f"SET '{key}' = '{value}';\n" for key, value in settings.items()) +
                              setting.fill_in("tables.sql").read_text() + setting.fill_in("pipeline.sql").read_text())
            run += [script]
        else:
            library = setting.bin.parent / "lib" / "liborders_kafka.so"
            run += [library, *(f"-D{key}={value}" for key, value in settings.items()), "--", *setting.job_arguments()]
        subprocess.run(list(map(str, run)), check=True, stdout=subprocess.DEVNULL)

    def start(self, role, *arguments):
        """Gives what the process has said until it was ready."""
        setting = self.setting
        log = setting.scratch / f"{role}-{len(self.processes)}.log"
        (setting.scratch / "conf").mkdir(exist_ok=True)
        command = [setting.bin / "tidewheel", role, "-c", setting.scratch / "conf", f"-Dio.tmp.dirs={setting.scratch}/tmp",
                   f"-Denv.log.dir={setting.scratch}/job-logs", *arguments]
        with open(log, "wb") as stream:
            process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        self.processes.append(process)
        for _ in range(600):
            text = log.read_text(errors="replace")
            if "is ready" in text:
                return text
            if process.poll() is not None:
                break
            time.sleep(0.05)
        return setting.give_up(f"{role} does not get ready:\n{text}")

    def workers(self):
        pids = []
        for process in self.processes[1:]:
            for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*/children"):
                try:
                    pids += [int(pid) for pid in task.read_text().split()]
                except OSError:
                    pass  # a thread that has just ended
        return pids

    def check(self):
        for process in self.processes:
            if process.poll() is not None:
                self.setting.give_up(f"a process of the cluster has ended with {process.returncode}")

    def kill(self):
        workers = self.workers()
        if not workers:
            return None
        worker = random.choice(workers)
        os.kill(worker, 9)
        return f"worker {worker}"

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


class Verifier:
    """Compares what readers of committed messages see with what has to come of the orders."""

    def __init__(self, setting):
        self.setting = setting
        self.wanted = expected_windows(setting.options.orders)
        # The last windows wait for later orders, which do not come.
        end_ms = setting.options.orders * ORDER_MS // WINDOW_MS * WINDOW_MS - 2 * WINDOW_MS
        end = START + datetime.timedelta(milliseconds=end_ms)
        self.needed = {key for key in self.wanted if key[0] < end}
        self.seen = {}

    def look(self):
        """Reads the topic from its beginning. Whatever is wrong ends the program."""
        query = ("SELECT window_start, country, orders, revenue FROM revenue "
                 "/*+ OPTIONS('scan.bounded.mode' = 'latest-offset') */")
        done = subprocess.run(list(map(str, self.setting.sql("--csv", "-e", query))), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.setting.give_up(f"revenue can't be read: {done.stderr[-1000:]}")
        before, self.seen = self.seen, {}
        for row in csv.DictReader(io.StringIO(done.stdout)):
            key = (datetime.datetime.fromisoformat(row["window_start"]), row["country"])
            value = (int(row["orders"]), round(float(row["revenue"]) * 100))
            name = f"the window of {key[1]} at {key[0]}"
            if key in self.seen:
                self.setting.give_up(f"{name} is there twice: {self.seen[key]} and {value}")
            if self.wanted.get(key) != value:
                self.setting.give_up(f"{name} has {value}, and not {self.wanted.get(key)} (orders, cents)")
            self.seen[key] = value
        for key in before.keys() - self.seen.keys():
            self.setting.give_up(f"the window of {key[1]} at {key[0]} was there, and is gone")
        return len(self.seen) > len(before)

    def is_done(self):
        return not self.needed - self.seen.keys()

    def tell(self):
        orders = sum(count for count, _ in self.seen.values())
        missing = len(self.needed - self.seen.keys())
        print(f"  {len(self.seen)} windows with {orders} orders: each is right, none is there twice; "
              f"{missing} are to come", flush=True)


def watch(setting, job=None, feeder=None, kills=0):
    """Until all windows are there, and all kills were made."""
    verifier, killed, progress = Verifier(setting), 0, time.monotonic()
    while True:
        time.sleep(random.uniform(0.2, 3))
        if job is not None:
            job.check()
        if killed < kills:
            victim = job.kill()
            if victim is not None:
                killed += 1
                print(f"killed {victim} ({killed} of {kills})", flush=True)
        if feeder is not None and feeder.poll() not in (None, 0):
            setting.give_up(f"feeding has ended with {feeder.returncode}")
        if verifier.look():
            progress = time.monotonic()
        verifier.tell()
        if verifier.is_done() and killed >= kills:
            print(f"Every order is in its window once, after {killed} kills." if kills else "Every order is in its window once.")
            return
        if time.monotonic() - progress > PATIENCE_S:
            setting.give_up(f"it has not got on for {PATIENCE_S} s")


def run(setting, kills):
    setting.create_topics()
    feeder, job = setting.feed(), None
    try:
        job = ClusterJob(setting) if setting.options.on == "cluster" else ProcessJob(setting)
        watch(setting, job, feeder, kills)
    finally:
        if job is not None:
            job.stop()
        feeder.kill()
        feeder.wait()
    shutil.rmtree(setting.scratch, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "prove", "feed", "job", "watch"))
    parser.add_argument("--brokers", default=os.environ.get("TIDEWHEEL_KAFKA_BOOTSTRAP"), help="host:port")
    parser.add_argument("--registry", default=os.environ.get("SCHEMA_REGISTRY_URL"), help="http://host:port")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    parser.add_argument("--topics", default=f"orders-{int(time.time())}", help="what the names of topics begin with")
    parser.add_argument("--job", choices=("sql", "cpp"), default="sql", help="which of the two pipelines")
    parser.add_argument("--on", choices=("process", "cluster"), default="process", help="where it runs")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=1_000, help="orders a second")
    options = parser.parse_args()
    for name in ("brokers", "registry"):
        if not getattr(options, name):
            parser.error(f"--{name} is missing")
    setting = Setting(options)
    if options.command in ("run", "prove"):
        run(setting, options.kills if options.command == "prove" else 0)
    elif options.command == "watch":
        watch(setting)
    elif options.command == "feed":
        setting.create_topics()
        sys.exit(setting.feed().wait())
    else:
        command = list(map(str, ProcessJob.command(setting)))
        os.execv(command[0], command)  # so that who kills this process kills the pipeline


if __name__ == "__main__":
    main()
