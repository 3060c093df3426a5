#!/usr/bin/env python3
"""A job from Kafka to Kafka under attack, against a real broker: its processes are killed, and so is the broker; then
readers of committed messages have to see each message once, in order, with the state that it should have met.

  kafka_check.py BIN_DIRECTORY [--kills N] [--seed S] [--broker-kills M] [CASE...]

The broker is started from KAFKA_HOME (tests/services/kafka); without one this says so and answers 77."""
import argparse
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

PATIENCE_S = 180
KEYS = 100
HERE = pathlib.Path(__file__).resolve().parent


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

    def kill_broker(self):
        self.script.end(self.folder, signal.SIGKILL)
        time.sleep(self.chance.choice((0, 1, 3)))
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
    def __init__(self, ground, guarantee="exactly-once"):
        self.ground, self.guarantee = ground, guarantee
        self.source, self.target = ground.new_topics()
        self.folder = ground.scratch / f"job-{ground.topics}"
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.rows = 0

    def feed(self, rows, rate):
        """Writes the input, in a process of its own."""
        self.rows = rows
        command = [self.ground.bin / "kafka_ledger_tool", "produce", self.ground.brokers, self.source, rows, KEYS, rate]
        with open(self.log, "ab") as log:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, *arguments):
        command = [self.ground.bin / "kafka_ledger", "--brokers", self.ground.brokers, "--in", self.source, "--out",
                   self.target, "--prefix", f"job-{self.target}", "--keys", KEYS, "--guarantee", self.guarantee,
                   "--checkpoint-dir", self.folder / "checkpoints", *arguments]
        with open(self.log, "ab") as log:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def verify(self):
        return self.ground.tool("verify", self.target, self.rows, KEYS, self.guarantee, check=False)

    def wait_until_all_is_there(self, process):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            expect(process.poll() is None, f"it has ended: {self.tail()}")
            status, text = self.verify()
            if status == 0:
                return text
            expect(status == 2, f"{text}\n{self.tail()}")
            expect(time.monotonic() < deadline, f"it does not get on: {text}\n{self.tail()}")
            time.sleep(0.5)

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:]

    def said(self, text):
        return self.log.read_text(errors="replace").count(text)


def sleep_or_end(process, seconds):
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        pass


def killed_on_its_way(ground, job, *arguments):
    """Kills the job again and again while its input comes, at another parallelism each time, and the broker now and
    then; afterwards all of the output has to be there."""
    # Enough input for all the lives, and some more.
    feeder = job.feed(rows=1_500 * max(ground.kills, 10), rate=1_000)
    killed, process = 0, None
    broker_at = set(ground.chance.sample(range(ground.kills), min(ground.broker_kills, ground.kills)))
    try:
        while killed < ground.kills:
            process = job.start("--parallelism", ground.chance.randint(1, 3), "--interval-ms",
                                ground.chance.choice((100, 300, 1000)), *arguments)
            sleep_or_end(process, ground.chance.choice((ground.chance.uniform(0, 0.5), ground.chance.uniform(0.5, 3))))
            if killed in broker_at:
                ground.kill_broker()
                sleep_or_end(process, ground.chance.uniform(0, 5))
            expect(process.poll() is None, f"it has ended by itself with {process.returncode}: {job.tail()}")
            process.kill()
            process.wait()
            killed += 1
            if killed % max(1, ground.kills // 20) == 0:
                status, text = job.verify()
                expect(status in (0, 2), f"after {killed} kills: {text}\n{job.tail()}")
        process = job.start("--parallelism", 2, *arguments)
        expect(feeder.wait(timeout=PATIENCE_S * 10) == 0, f"the input is not written: {job.tail()}")
        # All of it can be read: no transaction that was left open is before it.
        text = job.wait_until_all_is_there(process)
        print(f"  {killed} kills, and {len(broker_at)} of the broker: {text.strip()}", flush=True)
    finally:
        put_away(feeder, process)


def put_away(*processes):
    for process in processes:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def a_job_that_is_killed_writes_each_message_once(ground):
    killed_on_its_way(ground, Job(ground))


def output_whose_transaction_has_expired_is_sent_again(ground):
    """Transactions expire while the job is down: between their checkpoint and their commit, and before."""
    job = Job(ground)
    feeder = job.feed(rows=30_000, rate=3_000)
    arguments = ("--parallelism", 2, "--interval-ms", 200, "--transaction-timeout-ms", 2000)
    process = None
    try:
        for _ in range(4):
            process = job.start(*arguments)
            sleep_or_end(process, 1.5)
            expect(process.poll() is None, f"it has ended by itself: {job.tail()}")
            process.kill()
            process.wait()
            time.sleep(13)  # brokers look every ten seconds
        process = job.start(*arguments)
        expect(feeder.wait(timeout=PATIENCE_S) == 0, f"the input is not written: {job.tail()}")
        print(f"  {job.wait_until_all_is_there(process).strip()}", flush=True)
    finally:
        put_away(feeder, process)


def at_least_once_loses_nothing(ground):
    killed_on_its_way(ground, Job(ground, "at-least-once"))


CASES = (a_job_that_is_killed_writes_each_message_once, output_whose_transaction_has_expired_is_sent_again,
         at_least_once_loses_nothing)


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
