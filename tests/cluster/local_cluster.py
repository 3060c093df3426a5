"""A cluster of real processes on loopback, for tests: started on free ports, asked by its REST API, hurt by signals."""
import argparse
import collections
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
import uuid


class Failure(Exception):
    pass


def wait_for(what, condition, seconds=60.0):
    """Until `condition` returns something true, which is returned. No test relies on how long it takes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise Failure(f"{what}: not within {seconds} s")


class Process:
    """One of the cluster's processes, with its log in a file."""

    def __init__(self, name, command, folder):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.pid = self.popen.pid
        self.left = []  # what it had started at its end; job masters may live on

    def text(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def kill(self):
        self.left += self.children()
        self.popen.kill()
        self.popen.wait()

    def masters_left(self):
        """Process ids of job masters that live on after it was killed."""
        def is_master(pid):
            try:
                return b"job-master" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:  # it has ended
                return False
        return [pid for pid in self.left if is_master(pid)]

    def kill_what_is_left(self):
        for pid in self.masters_left():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # it has ended

    def stop(self):
        self.left += self.children()
        if self.running():
            self.popen.terminate()
        return self.popen.wait(timeout=30)

    def children(self):
        """Process ids of job masters or workers."""
        path = pathlib.Path(f"/proc/{self.pid}/task")
        pids = []
        for task in path.glob("*/children"):
            try:
                pids += [int(pid) for pid in task.read_text().split()]
            except OSError:
                pass
        return pids


class Cluster:
    def __init__(self, program, folder, settings=()):
        self.program = str(program)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "conf").mkdir(exist_ok=True)
        self.settings = [f"-D{setting}" for setting in settings]
        self.job_managers = []
        self.task_managers = []
        # Each process that was ever started has a name, and so a log, of its own.
        self.numbers = collections.defaultdict(itertools.count)
        self.url = None
        self.rpc_port = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for process in self.task_managers + self.job_managers:
            if process.running():
                process.kill()
            process.kill_what_is_left()

    def command(self, role, extra):
        return [self.program, role, "-c", str(self.folder / "conf"), f"-Dio.tmp.dirs={self.folder / 'tmp'}",
                f"-Denv.log.dir={self.folder / 'log'}", "-Dweb.refresh-interval=20ms"] + self.settings + list(extra)

    def start_job_manager(self, *extra, rpc_port=0, rest_port=0):
        process = Process(f"jobmanager-{next(self.numbers['jobmanager'])}",
                          self.command("jobmanager", [f"-Djobmanager.rpc.port={rpc_port}", f"-Drest.port={rest_port}",
                                                      *extra]), self.folder)
        self.job_managers.append(process)
        self.wait_ready(process)
        found = re.findall(r"is ready: \S+?:(\d+) for the cluster, (http\S+) for clients", process.text())[-1]
        self.rpc_port, self.url = int(found[0]), found[1]
        return process

    def start_task_manager(self, *extra):
        process = Process(f"taskmanager-{next(self.numbers['taskmanager'])}",
                          self.command("taskmanager", [f"-Djobmanager.rpc.port={self.rpc_port}", *extra]), self.folder)
        self.task_managers.append(process)
        self.wait_ready(process)
        return process

    def wait_ready(self, process):
        def is_ready():
            if not process.running():
                raise Failure(f"{process.name} has ended:\n{process.text()}")
            return "is ready" in process.text()
        wait_for(f"{process.name} is ready", is_ready)

    # ---- REST

    def ask(self, method, path, body=None, content_type="application/json", url=None):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request((url or self.url) + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            # Python follows a 307 for GET only: which JobManager leads is not known to who asks.
            leader = error.headers.get("Location") if error.code == 307 else None
            if leader and url is None:
                return self.ask(method, path, body, content_type, leader.removesuffix(path))
            raise Failure(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error

    def get(self, path):
        return self.ask("GET", path)

    def wait_slots(self, count):
        return wait_for(f"{count} slots", lambda: self.get("/overview")["slots-total"] == count)

    def upload(self, path):
        path = pathlib.Path(path)
        boundary = uuid.uuid4().hex
        body = (f'--{boundary}\r\nContent-Disposition: form-data; name="jarfile"; filename="{path.name}"\r\n'
                "Content-Type: application/x-java-archive\r\n\r\n").encode() + path.read_bytes() + \
            f"\r\n--{boundary}--\r\n".encode()
        answer = self.ask("POST", "/jars/upload", body, f"multipart/form-data; boundary={boundary}")
        return answer["filename"].rsplit("/", 1)[-1]

    def run(self, program, **body):
        return self.ask("POST", f"/jars/{self.upload(program)}/run", body)["jobid"]

    def job(self, job_id):
        return self.get(f"/jobs/{job_id}")

    def state(self, job_id):
        return self.job(job_id)["state"]

    def wait_state(self, job_id, *states, seconds=90.0):
        def reached():
            state = self.state(job_id)
            if state in states:
                return state
            if state in ("FAILED", "CANCELED", "FINISHED"):
                raise Failure(f"job {job_id} is {state}, not {states}: {self.get(f'/jobs/{job_id}/exceptions')}")
            return None
        return wait_for(f"job {job_id} is {states}", reached, seconds)

    def completed_checkpoints(self, job_id):
        return self.get(f"/jobs/{job_id}/checkpoints")["counts"]["completed"]

    def logs(self):
        """The last of everything, for a failure's report."""
        text = ""
        for process in self.job_managers + self.task_managers:
            text += f"---- {process.name}\n{process.text()[-3000:]}\n"
        for log in sorted((self.folder / "log").glob("*")):
            text += f"---- {log.name}\n{log.read_text(errors='replace')[-2000:]}\n"
        return text


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)


def thaw(pid):
    os.kill(pid, signal.SIGCONT)


def test_arguments(description):
    """The arguments of a script of tests, for `run_tests`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/bin/tidewheel")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leaves the folders of what went well")
    parser.add_argument("tests", nargs="*")
    return parser


def run_test(name, function, program, keep):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-cluster-"))
    began = time.monotonic()
    try:
        function(program, folder)
    except Exception:  # pylint: disable=broad-except
        print(f"FAILED {name}\n{traceback.format_exc()}\nfiles are in {folder}", flush=True)
        return False
    print(f"ok     {name} ({time.monotonic() - began:.1f} s)", flush=True)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def run_tests(tests, options):
    """Runs those of `tests`, functions of the program and a folder by name, that are asked for: the exit status."""
    if options.list:
        print("\n".join(tests))
        return 0
    unknown = [name for name in options.tests if name not in tests]
    if unknown:
        print(f"there is no test {', '.join(unknown)}; --list shows them", file=sys.stderr)
        return 2
    program = pathlib.Path(options.program).resolve()
    failed = [name for name in options.tests or tests if not run_test(name, tests[name], program, options.keep)]
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0
