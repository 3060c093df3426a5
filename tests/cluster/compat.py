#!/usr/bin/env python3
"""What was made for Flink, at a cluster of ours: its dashboard in a browser, its command line, and requests that are made
from the OpenAPI description.

  tests/cluster/compat.py --program build/release/bin/tidewheel --tools build/compat [dashboard] [client] [requests]

`./dev compat` installs the tools and runs this. What is not installed is skipped; when nothing was, the answer is 77."""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import zipfile

import browser
import dashboard
from clients import endless_job
from local_cluster import Cluster, Failure, wait_for

SKIPPED = 77


class Tools:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def jar(self):
        return next(self.folder.glob("flink/lib/flink-dist-*.jar"), None)

    def web(self):
        """The dashboard's files."""
        target = self.folder / "dashboard"
        if not target.exists():
            with zipfile.ZipFile(self.jar()) as archive:
                archive.extractall(target, [name for name in archive.namelist() if name.startswith("web/")])
        return target / "web"

    def schemathesis(self):
        found = self.folder / "venv" / "bin" / "schemathesis"
        return str(found) if found.exists() else shutil.which("schemathesis")


# ---- Flink's dashboard

def why_no_dashboard(tools):
    return browser.why_not() or (None if tools.jar() else "there is no flink/lib/flink-dist-*.jar: ./dev compat")


def check_dashboard(program, folder, tools):
    with Cluster(program, folder, dashboard.SETTINGS + [f"web.static.dir={tools.web()}"]) as cluster:
        try:
            dashboard.check(cluster, folder)
        except Exception:
            print(cluster.logs())
            raise


# ---- Flink's command line

def why_no_client(tools):
    if shutil.which("java") is None:
        return "there is no java"
    return None if tools.jar() else "there is no flink/lib/flink-dist-*.jar: ./dev compat"


class FlinkClient:
    def __init__(self, tools, folder, cluster):
        conf = folder / "flink-conf"
        conf.mkdir()
        (conf / "config.yaml").write_text("client.timeout: 60s\n")
        self.address = urllib.parse.urlparse(cluster.url).netloc
        self.environment = dict(os.environ, FLINK_CONF_DIR=str(conf), FLINK_LIB_DIR=str(tools.jar().parent))
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.util", "java.net")]
        self.command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *opens,
                        "-cp", f"{tools.jar().parent}/*", "org.apache.flink.client.cli.CliFrontend"]

    def run(self, verb, *words, status=0):
        command = [*self.command, verb, "-m", self.address, *map(str, words)]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=180, check=False)
        text = done.stdout + done.stderr
        if done.returncode != status:
            raise Failure(f"{verb} {words}: status {done.returncode}, not {status}\n{text}")
        return text


def expect(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise Failure(f"no {pattern!r} in:\n{text}")
    return found.group(1) if found.groups() else found.group()


def check_client(program, folder, tools):
    with Cluster(program, folder, ["execution.checkpointing.interval=300ms"]) as cluster:
        cluster.start_job_manager()
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=4", "-Dtaskmanager.memory.process.size=1g")
        cluster.wait_slots(4)
        flink = FlinkClient(tools, folder, cluster)
        expect("No running jobs", flink.run("list"))
        job = cluster.run(endless_job(folder))
        cluster.wait_state(job, "RUNNING")
        expect(rf"{job} : endless \(RUNNING\)", flink.run("list"))
        wait_for("a checkpoint", lambda: cluster.completed_checkpoints(job))
        path = expect(r"Savepoint completed\. Path: (\S+)", flink.run("savepoint", job, folder / "savepoints"))
        expect("Checkpoint .*completed", flink.run("checkpoint", job))
        expect("disposed", flink.run("savepoint", "-d", path))
        if pathlib.Path(urllib.parse.urlparse(path).path).exists():
            raise Failure(f"the savepoint is still there: {path}")
        path = expect(r"Savepoint completed\. Path: (\S+)", flink.run("stop", "-p", folder / "savepoints", job))
        cluster.wait_state(job, "FINISHED")
        if not pathlib.Path(urllib.parse.urlparse(path).path).exists():
            raise Failure(f"there is no savepoint: {path}")
        again = cluster.run(endless_job(folder))
        cluster.wait_state(again, "RUNNING")
        expect("Cancelled job", flink.run("cancel", again))
        cluster.wait_state(again, "CANCELED")
        text = flink.run("list", "-a")
        expect(rf"{job} : endless \(FINISHED\)", text)
        expect(rf"{again} : endless \(CANCELED\)", text)
        # What is wrong is said, too.
        expect("(?i)exception|could not", flink.run("cancel", "f" * 32, status=1))


# ---- Requests made from the description

def why_no_requests(tools):
    return None if tools.schemathesis() else "there is no schemathesis: ./dev compat"


# What a schema can't say: that an unknown program is a mistake and not missing (Flink's API says 400), that one bound is
# not above another, how a program's name ends. What only looks looks at a job that there is.
SCHEMATHESIS = """
[[operations]]
include-name = ["DELETE /jars/{{jarid}}", "PUT /jobs/{{jobid}}/resource-requirements", "POST /jars/upload"]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-method = "GET"
exclude-path-regex = "yarn"
parameters = {{ "path.jobid" = "{job}", "path.vertexid" = "{vertex}", "path.taskmanagerid" = "{task_manager}" }}

# A wrong id that was made is replaced by the one above, and then the answer is right.
[[operations]]
include-path-regex = "subtaskindex"
checks.negative_data_rejection.enabled = false

# Ids that were seen in answers are tried, too: the job has to run to the end.
[[operations]]
include-method = ["PATCH", "POST", "PUT"]
include-path-regex = "jobid"
parameters = {{ "path.jobid" = "{nobody}" }}

[[operations]]
include-path-regex = "yarn"
parameters = {{ "path.jobid" = "{nobody}" }}
"""


def check_requests(program, folder, tools):
    """Of a method that a path does not have Flink's API says 404, not 405; some paths are there to say that they can't."""
    settings = ["execution.checkpointing.interval=300ms", f"execution.checkpointing.savepoint-dir={folder / 'savepoints'}"]
    with Cluster(program, folder, settings) as cluster:
        cluster.start_job_manager()
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
        cluster.wait_slots(2)
        job = cluster.run(endless_job(folder))
        cluster.wait_state(job, "RUNNING")
        (folder / "schemathesis.toml").write_text(SCHEMATHESIS.format(
            job=job, nobody="0" * 32, vertex=cluster.job(job)["vertices"][0]["id"],
            task_manager=cluster.get("/taskmanagers")["taskmanagers"][0]["id"]))
        report = folder / "requests.txt"
        with open(report, "w", encoding="utf-8") as out:
            done = subprocess.run(
                [tools.schemathesis(), "run", f"{cluster.url}/openapi.json", "--phases", "examples,coverage,fuzzing",
                 "--max-examples", "10", "--exclude-checks", "unsupported_method,missing_required_header",
                 "--exclude-path-regex", "/rescaling|/plan$", "--exclude-path", "/cluster", "--no-color", "--seed", "1"],
                cwd=folder, stdout=out, stderr=subprocess.STDOUT, timeout=1200, check=False)
        text = report.read_text(errors="replace")
        if done.returncode != 0:
            raise Failure(text[-20000:])
        print(f"       {expect('([0-9]+) generated', text)} requests", flush=True)
        if cluster.state(job) != "RUNNING" or not cluster.job_managers[0].running():
            raise Failure("the cluster was hurt")


CHECKS = {"dashboard": (why_no_dashboard, check_dashboard), "client": (why_no_client, check_client),
          "requests": (why_no_requests, check_requests)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/bin/tidewheel")
    parser.add_argument("--tools", default="build/compat")
    parser.add_argument("checks", nargs="*", choices=[*CHECKS, []])
    options = parser.parse_args()
    tools = Tools(pathlib.Path(options.tools).resolve())
    program = pathlib.Path(options.program).resolve()
    ran = failed = 0
    for name in options.checks or CHECKS:
        why_not, check = CHECKS[name]
        reason = why_not(tools)
        if reason:
            print(f"skipped: {name}: {reason}", flush=True)
            continue
        ran += 1
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tidewheel-{name}-"))
        began = time.monotonic()
        try:
            check(program, folder, tools)
            print(f"ok     {name} ({time.monotonic() - began:.1f} s)", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()}\nfiles are in {folder}", flush=True)
    if failed:
        return 1
    return 0 if ran else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
