"""What clients do to a cluster: the command line's verbs against real processes, and requests that mean no good.
Its tests are run by run.py."""
import json
import re
import resource
import socket
import subprocess
import time
import urllib.parse

from local_cluster import Failure, wait_for

TESTS = {}
SETTINGS = ["execution.checkpointing.interval=200ms", "web.refresh-interval=100ms",
            "metrics.fetcher.update-interval=100ms"]


def test(function):
    TESTS[function.__name__] = (function, SETTINGS)
    return function


def check(condition, what):
    if not condition:
        raise Failure(what)


def endless_job(folder):
    script = folder / "endless.sql"
    script.write_text(f"""
SET 'pipeline.name' = 'endless';
SET 'execution.checkpointing.dir' = '{folder / "checkpoints"}';
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '1000000000');
CREATE TABLE sink (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT n FROM numbers;
""")
    return script


class CommandLine:
    """The program's verbs, at one cluster."""

    def __init__(self, cluster):
        self.program = cluster.program
        self.address = urllib.parse.urlparse(cluster.url).netloc

    def run(self, *words, status=0):
        command = [self.program, words[0], "-m", self.address, *map(str, words[1:])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        check(done.returncode == status,
              f"{words}: status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}")
        return done.stdout + (done.stderr if status else "")

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))


def find(pattern, text):
    found = re.search(pattern, text)
    check(found, f"no {pattern!r} in:\n{text}")
    return found.group(1) if found.groups() else found.group()


def start(cluster, slots=4):
    cluster.start_job_manager()
    cluster.start_task_manager(f"-Dtaskmanager.numberOfTaskSlots={slots}", "-Dtaskmanager.memory.process.size=1g")
    cluster.wait_slots(slots)


@test
def the_command_line_runs_stops_and_goes_on_with_a_job(cluster, folder):
    start(cluster)
    line = CommandLine(cluster)
    find("No running jobs", line.run("list"))
    job = find(r"Job has been submitted with JobID ([0-9a-f]{32})", line.run("run", "-d", "-p", 2, endless_job(folder)))
    cluster.wait_state(job, "RUNNING")
    # The JobManager hears of it a little later than the job's master, which is asked before.
    running = rf"\d\d\.\d\d\.\d{{4}} \d\d:\d\d:\d\d : {job} : endless \(RUNNING\)"
    wait_for("it runs by the list", lambda: re.search(running, line.run("list")))
    check(not cluster.get("/jars")["files"], "the upload stays behind")
    wait_for("checkpoints", lambda: cluster.completed_checkpoints(job) >= 2)
    find(r"Checkpoint \d+ for job \S+ completed", line.run("checkpoint", "endless"))
    find(r"COMPLETED", line.run("checkpoints", job[:8]))
    path = find(r"Savepoint completed\. Path: (\S+)", line.run("savepoint", job, folder / "savepoints"))
    line.run("savepoint", "-d", path)
    find("rows", line.run("top", "--once"))
    check(line.json("top", "--once")["slots-total"] == 4, "top's slots")
    find("is ready", line.run("logs"))
    stopped = line.json("stop", "endless", "-p", folder / "savepoints")
    cluster.wait_state(job, "FINISHED")
    again = line.json("run", "-d", "-s", stopped["savepoint"], endless_job(folder))["jobid"]
    cluster.wait_state(again, "RUNNING")
    restored = cluster.get(f"/jobs/{again}/checkpoints")["latest"]["restored"]
    check(restored and restored["is_savepoint"], f"it was not restored: {restored}")
    find(f"Cancelled job {again}", line.run("cancel", again))
    cluster.wait_state(again, "CANCELED")
    find(rf"{again} : endless \(CANCELED\)", line.run("list", "-a"))


@test
def the_command_line_waits_for_a_job_and_says_how_it_ended(cluster, folder):
    start(cluster)
    line = CommandLine(cluster)
    finite = endless_job(folder).read_text().replace("1000000000", "500")
    script = folder / "finite.sql"
    script.write_text(finite)
    find("Job with JobID [0-9a-f]{32} has finished", line.run("run", script))
    script.write_text("INSERT INTO nowhere SELECT 1;\n")
    find("nowhere", line.run("run", script, status=1))
    find("has no job", line.run("cancel", "nothing", status=1))
    cluster.job_managers[0].stop()
    find("no JobManager answers", line.run("list", status=3))


def raw(cluster, data, seconds=20):
    """What the server says to these bytes, until it ends the connection."""
    address = urllib.parse.urlparse(cluster.url)
    with socket.create_connection((address.hostname, address.port), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer.decode(errors="replace")


def status_of(cluster, method, target, body=b"", fields=()):
    lines = [f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", f"Content-Length: {len(body)}", *fields]
    answer = raw(cluster, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)
    found = re.match(r"HTTP/1\.1 (\d+)", answer)
    return int(found.group(1)) if found else None


@test
def requests_that_mean_no_good_are_refused(cluster, folder):
    start(cluster)
    job = cluster.run(endless_job(folder))
    cluster.wait_state(job, "RUNNING")
    secret = folder / "secret"
    secret.write_text("do not read me")
    unknown = "f" * 32
    for target in (f"/jobs/{unknown}", f"/jobs/{job}/vertices/{unknown}", f"/jobs/{job}/savepoints/{unknown}",
                   "/taskmanagers/nobody", "/jars/nothing/plan", "/nothing"):
        check(400 <= (status_of(cluster, "GET", target) or 0) < 600, target)
    ways_up = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..%252f", "%c0%ae%c0%ae/", "....//", "..;/", "%00/"]
    for up in ways_up:
        for start_of in ("/", "/jobmanager/logs/", "/v1/", "/jars/"):
            target = start_of + up * 12 + str(secret).lstrip("/")
            check((status_of(cluster, "GET", target) or 400) >= 400, target)
            check("do not read me" not in raw(cluster, f"GET {target} HTTP/1.0\r\n\r\n".encode()), target)
    for name in ("../../evil.so", "/etc/evil.so", "..%2fevil.so", "a\"b.so", "\x01.so", "x" * 300 + ".so", ".so"):
        body = (f'--b\r\nContent-Disposition: form-data; name="jarfile"; filename="{name}"\r\n\r\nELF\r\n'
                "--b--\r\n").encode()
        status_of(cluster, "POST", "/jars/upload", body, ["Content-Type: multipart/form-data; boundary=b"])
    # What is kept is listed by an id that ends in a name made harmless.
    check(all(path.parent.name == "uploads" for path in folder.rglob("*evil*")), "a client's path was used")
    for body in (b"{", b"[]", b'{"a":' * 5000, b"\xff\xfe", b'{"parallelism":"x"}', b'{"triggerId":"../x"}',
                 b"\0" * 1000):
        for target in (f"/jobs/{job}/savepoints", f"/jobs/{job}/stop", "/savepoint-disposal",
                       f"/jobs/{job}/resource-requirements"):
            method = "PUT" if target.endswith("requirements") else "POST"
            check(400 <= (status_of(cluster, method, target, body) or 0) < 500, f"{target} {body[:20]}")
    check(status_of(cluster, "POST", "/jobs/x/stop", b"x" * (2 << 20)) == 413, "a huge body")
    for data in (b"\0" * 100, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10000 + b"\r\n", b"GET " + b"/" * 100000,
                 b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500):
        raw(cluster, data)
    order = {"target-directory": str(folder / "s"), "triggerId": "a" * 32}
    twice = [cluster.ask("POST", f"/jobs/{job}/savepoints", order)["request-id"] for _ in range(2)]
    check(twice == ["a" * 32] * 2, f"{twice}")
    wait_for("the savepoint", lambda: cluster.get(f"/jobs/{job}/savepoints/{'a' * 32}")["status"]["id"] == "COMPLETED")
    check(len(list((folder / "s").glob("savepoint-*"))) == 1, "one request made two savepoints")
    check(cluster.state(job) == "RUNNING" and cluster.job_managers[0].running(), "the cluster was hurt")


@test
def a_job_that_is_submitted_twice_runs_once(cluster, folder):
    start(cluster)
    program = cluster.upload(endless_job(folder))
    order = json.dumps({"jobId": "b" * 32}).encode()
    codes = [status_of(cluster, "POST", f"/jars/{program}/run", order) for _ in range(3)]
    check(codes[0] == 200 and all(400 <= code < 600 for code in codes[1:]), f"{codes}")
    cluster.wait_state("b" * 32, "RUNNING")
    check([job["id"] for job in cluster.get("/jobs")["jobs"]] == ["b" * 32], "there are others")


@test
def clients_that_trickle_are_cut_off(cluster, folder):
    start(cluster)
    address = urllib.parse.urlparse(cluster.url)
    began = time.monotonic()
    trickling = [socket.create_connection((address.hostname, address.port), timeout=20) for _ in range(200)]
    for i, connection in enumerate(trickling):
        connection.sendall(b"GET /overview HTTP/1.1\r\n" if i % 2 else
                           b"POST /jars/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n"
                           b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")

    def all_are_cut():
        for connection in list(trickling):
            try:
                connection.sendall(b"x")
                connection.setblocking(False)
                gone = connection.recv(4096) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            connection.setblocking(True)
            if gone:
                connection.close()
                trickling.remove(connection)
        check(cluster.get("/overview")["slots-total"] == 4, "not answered beside them")
        time.sleep(0.5)
        return not trickling
    wait_for("they are cut off", all_are_cut)
    print(f"       within {time.monotonic() - began:.0f} s", flush=True)
    check(not list(folder.rglob("flink-web-upload/*")), "what they sent stays behind")


@test
def ten_thousand_connections_keep_nobody_out(cluster, folder):
    count = 10000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    start(cluster)
    address = urllib.parse.urlparse(cluster.url)
    connections, begun = [], []
    try:
        for i in range(min(count, hard - 500)):
            connection = socket.create_connection((address.hostname, address.port), timeout=20)
            # Some say nothing, and some begin a head that they do not end.
            if i % 2:
                connection.sendall(b"GET /overview HTTP/1.1\r\nHost: a\r\n")
                begun.append(connection)
            connections.append(connection)
        check(cluster.get("/overview")["slots-total"] == 4, "not answered beside the others")
        # The last ones: the first may have been cut off meanwhile, which is right.
        for connection in begun[-100:]:
            connection.sendall(b"\r\n")
            check(connection.recv(20).startswith(b"HTTP/1.1 200"), "one of the many is not answered")
        rss = int(find(r"VmRSS:\s+(\d+)", open(f"/proc/{cluster.job_managers[0].pid}/status", encoding="ascii").read()))
        print(f"       {len(connections)} connections, JobManager {rss // 1024} MiB", flush=True)
    finally:
        for connection in connections:
            connection.close()
    check(cluster.get("/overview")["slots-total"] == 4, "not answered behind them")
    check(not list(folder.glob("core*")), "a core")
