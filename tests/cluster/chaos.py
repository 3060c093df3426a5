#!/usr/bin/env python3
"""Chaos for a cluster of real processes: two JobManagers and three TaskManagers run jobs that write each number once,
while processes are killed and stopped, machines are cut off and lose packets, the disk is full, and ZooKeeper goes down.
Every job has to end, with each number written once; none may be lost, or fail.

  tests/cluster/chaos.py --program build/release/bin/tidewheel [--faults 50] [--ha filesystem|zookeeper] [--seed S]
                         [--minutes M] [--on-loopback]

Each process has a machine of its own in a network namespace, and the disk is a small file system: that takes root. Without,
or with --on-loopback, there are the other faults only. ZooKeeper comes from ZOOKEEPER_HOME (tests/services/zookeeper)."""
import argparse
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import machines
from local_cluster import Failure, Process
from run import check_ledger, ledger, two_free_ports

SKIPPED = 77
SETTINGS = ["execution.checkpointing.interval=200ms", "execution.checkpointing.timeout=10s",
            "execution.checkpointing.tolerable-failed-checkpoints=100000", "restart-strategy.type=fixed-delay",
            "restart-strategy.fixed-delay.attempts=1000000", "restart-strategy.fixed-delay.delay=100ms",
            "heartbeat.interval=200ms", "heartbeat.timeout=2s", "slot.request.timeout=10min",
            "taskmanager.registration.timeout=10min", "web.refresh-interval=50ms",
            "security.allow-unauthenticated-bind=true"]
ENDS_WITHIN_SECONDS = 120
DISK_MEGABYTES = 64


def zookeeper_module():
    path = pathlib.Path(__file__).resolve().parent.parent / "services" / "zookeeper"
    loader = importlib.machinery.SourceFileLoader("zookeeper", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("zookeeper", loader))
    loader.exec_module(module)
    return module


class Disk:
    """A folder, which is a small file system of its own where that can be had."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.is_small = os.geteuid() == 0 and machines.run(
            "mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder), check=False)

    def fill(self):
        with contextlib.suppress(OSError), open(self.folder / "filler", "wb") as filler:
            while True:
                filler.write(bytes(1 << 16))
                filler.flush()

    def free(self):
        (self.folder / "filler").unlink(missing_ok=True)

    def close(self):
        if self.is_small:
            machines.run("umount", "-l", str(self.folder), check=False)


class Job:
    """One of the ledger's jobs: submitted until a leader has taken it, and looked at until it has ended."""

    def __init__(self, number, cluster, numbers, per_second, parallelism):
        self.id = uuid.uuid4().hex
        self.numbers = numbers
        self.place = cluster.disk.folder / f"job-{number}"
        self.place.mkdir()
        # The cluster's disk may be full just now; that is not for its user to feel.
        script = cluster.folder / f"job-{number}.sql"
        self.script, self.out = ledger(self.place, numbers, per_second, parallelism, script)
        self.accepted = False
        self.state = None


class ChaosCluster:
    """The processes, on machines or ports of their own."""

    def __init__(self, program, folder, network, ha_settings, disk):
        self.program, self.folder, self.network, self.disk = str(program), folder, network, disk
        self.settings = [f"-D{setting}" for setting in SETTINGS + ha_settings]
        (folder / "conf").mkdir()
        self.processes = {}  # by name; None: it does not run
        self.names = ["jm0", "jm1", "tm0", "tm1", "tm2"]
        self.ports = {name: (6123, 8081) for name in ("jm0", "jm1")}
        if not network:
            for name in self.ports:
                first = two_free_ports()
                self.ports[name] = (first, first + 1)
        self.urls = {name: f"http://{self.host(name)}:{ports[1]}" for name, ports in self.ports.items()}

    def host(self, name):
        return self.network.address[name] if self.network else "localhost"

    def start(self, name):
        host = self.host(name)
        extra = [f"-Dio.tmp.dirs={self.folder / 'tmp' / name}", f"-Denv.log.dir={self.folder / 'log' / name}"]
        if name in self.ports:
            rpc, rest = self.ports[name]
            role = "jobmanager"
            extra += [f"-Djobmanager.rpc.address={host}", f"-Djobmanager.bind-host={host}", f"-Drest.address={host}",
                      f"-Djobmanager.rpc.port={rpc}", f"-Drest.bind-address={host}", f"-Drest.port={rest}"]
        else:
            role = "taskmanager"
            extra += [f"-Dtaskmanager.host={host}", f"-Dtaskmanager.bind-host={host}",
                      "-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g"]
        inside = self.network.inside(name) if self.network else []
        command = inside + [self.program, role, "-c", str(self.folder / "conf")] + self.settings + extra
        self.processes[name] = Process(name, command, self.folder)

    def running(self, role=""):
        return [name for name, process in self.processes.items()
                if name.startswith(role) and process is not None and process.running()]

    def children(self, role):
        return [pid for name in self.running(role) for pid in self.processes[name].children()]

    def ask(self, method, path, body=None, kind="application/json"):
        """The leader's answer; None: nobody gives one now. 404 is an answer."""
        for url in self.urls.values():
            request = urllib.request.Request(url + path, data=body, method=method, headers={"Content-Type": kind})
            try:
                with urllib.request.urlopen(request, timeout=3) as answer:
                    return answer.status, json.loads(answer.read() or b"{}")
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace")
                if error.code in (404, 409):
                    return error.code, text
            except (OSError, ValueError):
                pass
        return None

    def submit(self, job):
        boundary = uuid.uuid4().hex
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="jarfile"; filename="ledger.sql"\r\n\r\n'
                f"{job.script.read_text()}\r\n--{boundary}--\r\n").encode()
        uploaded = self.ask("POST", "/jars/upload", body, f"multipart/form-data; boundary={boundary}")
        if uploaded is None or uploaded[0] != 200:
            return
        program = uploaded[1]["filename"].rsplit("/", 1)[-1]
        self.ask("POST", f"/jars/{program}/run", json.dumps({"jobId": job.id}).encode())
        # The answer may have been lost, and the job be there.
        found = self.ask("GET", f"/jobs/{job.id}/status")
        job.accepted = found is not None and found[0] == 200

    def look(self, job):
        """Its state as the leader says."""
        answer = self.ask("GET", f"/jobs/{job.id}/status")
        if answer is None:
            return
        if answer[0] == 404:
            raise Failure(f"the job {job.id}, which was accepted, is lost: {answer[1]}")
        job.state = answer[1]["status"]
        if job.state in ("FAILED", "CANCELED"):
            why = self.ask("GET", f"/jobs/{job.id}/exceptions")
            raise Failure(f"the job {job.id} is {job.state}: {str(why)[:3000]}")


class Chaos:
    """Faults at random, each with the time at which it is over."""

    def __init__(self, cluster, choices, zookeeper, story):
        self.cluster, self.random, self.zookeeper, self.story = cluster, choices, zookeeper, story
        self.over = []  # (when, what to call)
        self.counts = {}
        self.faults = {"a JobManager is killed": lambda: self.kill_manager("jm"),
                       "a TaskManager is killed": lambda: self.kill_manager("tm"),
                       "a job's master is killed": lambda: self.signal_child("jm", signal.SIGKILL),
                       "a worker is killed": lambda: self.signal_child("tm", signal.SIGKILL),
                       "a manager is stopped": self.stop_manager,
                       "a job's master or a worker is stopped": lambda: self.signal_child(
                           self.random.choice(["jm", "tm"]), signal.SIGSTOP)}
        if cluster.network:
            self.faults |= {"a machine is cut off": self.isolate, "two machines are cut off from each other": self.cut,
                            "a machine loses packets": self.lose, "a machine is slow": self.slow}
        if cluster.disk.is_small:
            self.faults["the disk is full"] = self.fill
        if zookeeper:
            self.faults |= {"a server of ZooKeeper is killed": lambda: self.kill_zookeeper(1),
                            "ZooKeeper is down": lambda: self.kill_zookeeper(2)}

    def later(self, seconds_max, undo):
        self.over.append((time.monotonic() + self.random.uniform(0.1, seconds_max), undo))

    def inject(self):
        what = self.random.choice(list(self.faults))
        whom = self.faults[what]()
        if whom is None:  # there is nobody to whom it could happen
            return False
        self.counts[what] = self.counts.get(what, 0) + 1
        self.story(f"{what}: {whom}")
        return True

    def tick(self):
        """Ends what is over, and starts again whoever has ended."""
        now = time.monotonic()
        due = [undo for when, undo in self.over if when <= now]
        self.over = [(when, undo) for when, undo in self.over if when > now]
        for undo in due:
            undo()
        for name, process in list(self.cluster.processes.items()):
            if process is not None and not process.running():
                self.cluster.processes[name] = None
                self.later(3, lambda name=name: self.cluster.start(name))

    def heal(self):
        while self.over or len(self.cluster.running()) < len(self.cluster.names):
            self.over = [(0, undo) for _, undo in self.over]
            self.tick()
            time.sleep(0.05)

    # ---- Each answers who was hit.

    def kill_manager(self, role):
        running = self.cluster.running(role)
        if not running:
            return None
        name = self.random.choice(running)
        self.cluster.processes[name].kill()
        return name

    def signal_child(self, role, what):
        children = self.cluster.children(role)
        if not children:
            return None
        pid = self.random.choice(children)
        self.send(pid, what)
        if what == signal.SIGSTOP:
            self.later(6, lambda: self.send(pid, signal.SIGCONT))
        return f"process {pid}"

    @staticmethod
    def send(pid, what):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)

    def stop_manager(self):
        running = self.cluster.running()
        if not running:
            return None
        name = self.random.choice(running)
        process = self.cluster.processes[name]
        pids = [process.pid] + (process.children() if self.random.random() < 0.5 else [])
        for pid in pids:
            self.send(pid, signal.SIGSTOP)

        def go_on():
            for pid in pids:
                self.send(pid, signal.SIGCONT)
        self.later(6, go_on)
        return f"{name} ({len(pids)} processes)"

    def isolate(self):
        name = self.random.choice(self.cluster.names)
        self.cluster.network.isolate(name)
        self.later(5, lambda: self.cluster.network.heal(name))
        return name

    def cut(self):
        name, other = self.random.choice(self.cluster.network.pairs())
        one_way = self.random.random() < 0.4
        self.cluster.network.cut(name, other, one_way)

        def mend():
            self.cluster.network.heal(name)
            self.cluster.network.heal(other)
        self.later(5, mend)
        return f"{other} to {name}{'' if one_way else ' and back'}"

    def lose(self):
        name = self.random.choice(self.cluster.names)
        share = self.random.choice([0.05, 0.2, 0.5])
        self.cluster.network.lose(name, share)
        self.later(5, lambda: self.cluster.network.heal(name))
        return f"{name}, {share:.0%}"

    def slow(self):
        name = self.random.choice(self.cluster.names)
        rate = self.random.choice([64, 256, 1024])
        self.cluster.network.slow(name, rate)
        self.later(5, lambda: self.cluster.network.heal(name))
        return f"{name}, {rate} kbit/s"

    def fill(self):
        self.cluster.disk.fill()
        self.later(3, self.cluster.disk.free)
        return f"{DISK_MEGABYTES} MB"

    def kill_zookeeper(self, count):
        servers = self.random.sample(range(len(self.zookeeper.ports)), min(count, len(self.zookeeper.ports)))
        for server in servers:
            self.zookeeper.end(server)

        def restart():
            for server in servers:
                self.zookeeper.up(server)
        self.later(6, restart)
        return f"servers {servers}"


def attack(cluster, chaos, folder, options, story):
    """Jobs, one after another, until all faults have been; then the last one has to end."""
    injected, number, job = 0, 0, None
    next_fault = time.monotonic() + 3
    deadline = time.monotonic() + options.minutes * 60
    next_look = healed = 0
    while True:
        chaos.tick()
        now = time.monotonic()
        done = injected >= options.faults and now > deadline
        if done and not healed:
            chaos.heal()
            story("no more faults")
            healed = time.monotonic()
        if job is None and not done:
            number += 1
            job = Job(number, cluster, 6000, 1000, chaos.random.choice([1, 2, 4]))
        if job is None:
            return injected, number
        if now > next_look:
            cluster.look(job) if job.accepted else cluster.submit(job)
            next_look = time.monotonic() + 0.3
        if job.state == "FINISHED":
            check_ledger(job.out, job.numbers)
            story(f"job {number} has ended, with each of {job.numbers} numbers once")
            shutil.rmtree(job.place, ignore_errors=True)
            job.script.unlink()
            job = None
        if not healed and now > next_fault:
            injected += chaos.inject()
            next_fault = time.monotonic() + chaos.random.choice([0.1, 0.5, 1, 2, 4])
        if healed and now - healed > ENDS_WITHIN_SECONDS:
            raise Failure(f"the job {job.id} has not ended within {ENDS_WITHIN_SECONDS} s without faults; it is {job.state}")
        time.sleep(0.05)


def high_availability(options, folder, disk, network):
    """Settings, and the servers of ZooKeeper where there are any."""
    settings = [f"high-availability.type={options.ha}", f"high-availability.storageDir={disk.folder / 'ha'}",
                "high-availability.cluster-id=/chaos"]
    if options.ha == "filesystem":
        return settings, None
    module = zookeeper_module()
    reason = module.why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    ensemble = module.Ensemble(folder / "zookeeper", 3, network.here if network else "127.0.0.1")
    ensemble.start()
    return settings + [f"high-availability.zookeeper.quorum={ensemble.quorum()}",
                       "high-availability.zookeeper.client.session-timeout=4s"], ensemble


def run_chaos(options, folder, network):
    began = time.monotonic()

    def story(line):
        print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)
    disk = Disk(folder / "disk")
    zookeeper = cluster = None
    try:
        settings, zookeeper = high_availability(options, folder, disk, network)
        cluster = ChaosCluster(pathlib.Path(options.program).resolve(), folder, network, settings, disk)
        chaos = Chaos(cluster, random.Random(options.seed), zookeeper, story)
        for name in cluster.names:
            cluster.start(name)
        injected, jobs = attack(cluster, chaos, folder, options, story)
        print(f"{injected} faults, {jobs} jobs, {time.monotonic() - began:.0f} s; seed {options.seed}, {options.ha}:")
        for what, count in sorted(chaos.counts.items()):
            print(f"  {count:4}  {what}")
    finally:
        for name in cluster.running() if cluster else []:
            cluster.processes[name].kill()
        if zookeeper:
            zookeeper.stop()
        disk.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/bin/tidewheel")
    parser.add_argument("--faults", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=0, help="goes on with faults for so long")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--ha", choices=("filesystem", "zookeeper"), default="filesystem")
    parser.add_argument("--on-loopback", action="store_true")
    options = parser.parse_args()
    reason = "as asked for" if options.on_loopback else machines.why_not()
    if reason:
        print(f"without faults of the network: {reason}", flush=True)
    names = ["jm0", "jm1", "tm0", "tm1", "tm2"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-chaos-"))
    try:
        with machines.Machines(names) if not reason else contextlib.nullcontext() as network:
            run_chaos(options, folder, network)
    except Failure as failure:
        print(f"FAILED: {failure}\nseed {options.seed}; logs are in {folder}", flush=True)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
