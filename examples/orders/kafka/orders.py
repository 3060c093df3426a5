#!/usr/bin/env python3
"""Orders from Kafka to Kafka, exactly once, while the job is being killed.

  orders.py demo [--job sql|cpp] [--kills N] [--orders N] [--rate R]   feeds, runs, kills, and checks at the end
  orders.py watch --topics PREFIX [--orders N]                         checks again and again what readers see
  orders.py feed|run --topics PREFIX ..                                the parts by themselves

TIDEWHEEL_KAFKA_BOOTSTRAP names the brokers, SCHEMA_REGISTRY_URL the registry of schemas, --bin the folder of programs
(build/release/bin). What has to come out follows from the numbers of the orders, and is computed here."""
import argparse
import collections
import csv
import datetime
import io
import os
import pathlib
import random
import shutil
import string
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
START = datetime.datetime(2026, 1, 1)
CUSTOMERS, ORDER_MS, CHANGE_MS, WINDOW_MS = 500, 20, 100, 10_000
PATIENCE_S = 240


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
    def __init__(self, options):
        self.bin, self.topics, self.orders, self.rate = options.bin, options.topics, options.orders, options.rate
        self.brokers = os.environ.get("TIDEWHEEL_KAFKA_BOOTSTRAP") or sys.exit("set TIDEWHEEL_KAFKA_BOOTSTRAP to host:port")
        self.registry = os.environ.get("SCHEMA_REGISTRY_URL") or sys.exit("set SCHEMA_REGISTRY_URL to http://host:port")
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-orders-"))
        self.log = self.scratch / "log"

    def fill_in(self, name):
        text = string.Template((HERE / name).read_text()).substitute(
            topics=self.topics, brokers=self.brokers, registry=self.registry, rate=self.rate,
            last_order=self.orders - 1, last_change=last_change(self.orders))
        path = self.scratch / name
        path.write_text(text)
        return path

    def sql(self, *arguments):
        return [self.bin / "tidewheel", "sql", "-i", self.fill_in("tables.sql"), *arguments]

    def start(self, command):
        with open(self.log, "ab") as log:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def create_topics(self):
        for name, partitions, policy in (("orders", 4, "delete"), ("customers", 1, "compact"), ("revenue", 3, "delete")):
            subprocess.run([self.bin / "orders_topic", self.brokers, f"{self.topics}-{name}", str(partitions), policy],
                           check=True)

    def feed(self):
        return self.start(self.sql("-f", self.fill_in("feed.sql")))

    def run(self, job, parallelism):
        taking = ("-p", parallelism, "--checkpoint-interval", "1s", "--checkpoint-dir", self.scratch / "checkpoints",
                  "--resume")
        if job == "sql":
            return self.start(self.sql("-f", self.fill_in("pipeline.sql"), *taking))
        return self.start([self.bin / "orders_kafka", "--tables", self.fill_in("tables.sql"), "--brokers", self.brokers,
                           "--topics", self.topics, *taking])

    def check(self):
        """What is wrong with what readers of committed messages see, and how much of it is there."""
        query = ("SELECT window_start, country, orders, revenue FROM revenue "
                 "/*+ OPTIONS('scan.bounded.mode' = 'latest-offset') */")
        done = subprocess.run(list(map(str, self.sql("--csv", "-e", query))), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"revenue can't be read: {done.stderr[-1000:]}", 0, 0
        wanted, seen = expected_windows(self.orders), {}
        for row in csv.DictReader(io.StringIO(done.stdout)):
            key = (datetime.datetime.fromisoformat(row["window_start"]), row["country"])
            value = (int(row["orders"]), round(float(row["revenue"]) * 100))
            if key in seen:
                return f"{key} is there twice: {seen[key]} and {value}", 0, 0
            if wanted.get(key) != value:
                return f"{key} is {value}, and not {wanted.get(key)}", 0, 0
            seen[key] = value
        # The last windows wait for later orders.
        end = START + datetime.timedelta(milliseconds=(self.orders * ORDER_MS) // WINDOW_MS * WINDOW_MS - 2 * WINDOW_MS)
        needed = sum(1 for window, _ in wanted if window < end)
        return None, len(seen), needed


def watch(setting, process=None):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        wrong, there, needed = setting.check()
        if wrong:
            sys.exit(f"WRONG: {wrong}\n(the log is {setting.log})")
        print(f"  {there} of at least {needed} windows, none lost before the last, none double", flush=True)
        if there >= needed:
            return
        if process is not None and process.poll() is not None:
            sys.exit(f"the job has ended with {process.returncode}: {setting.log.read_text()[-3000:]}")
        if time.monotonic() > deadline:
            sys.exit(f"it does not get on (the log is {setting.log})")
        time.sleep(2)


def demo(setting, options):
    setting.create_topics()
    feeder = setting.feed()
    process = None
    try:
        for kill in range(options.kills):
            process = setting.run(options.job, random.randint(1, 3))
            time.sleep(random.uniform(0.2, 4))
            if process.poll() is not None:
                sys.exit(f"the job has ended with {process.returncode}: {setting.log.read_text()[-3000:]}")
            process.kill()
            process.wait()
            print(f"killed {kill + 1} times", flush=True)
        process = setting.run(options.job, 2)
        if feeder.wait(timeout=PATIENCE_S) != 0:
            sys.exit(f"feeding has failed: {setting.log.read_text()[-3000:]}")
        watch(setting, process)
        print("every order is in its window once")
    finally:
        for running in (feeder, process):
            if running is not None and running.poll() is None:
                running.kill()
                running.wait()
    shutil.rmtree(setting.scratch, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("demo", "watch", "feed", "run"))
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    parser.add_argument("--topics", default=f"orders-{int(time.time())}", help="what the names of topics begin with")
    parser.add_argument("--job", choices=("sql", "cpp"), default="sql")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=1_000, help="orders a second")
    options = parser.parse_args()
    setting = Setting(options)
    if options.command == "demo":
        demo(setting, options)
    elif options.command == "watch":
        watch(setting)
    elif options.command == "feed":
        setting.create_topics()
        sys.exit(setting.feed().wait())
    else:
        sys.exit(setting.run(options.job, 2).wait())


if __name__ == "__main__":
    main()
