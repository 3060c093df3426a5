#!/usr/bin/env python3
"""Runs programs with jobs as a user does, and makes it hard for them.

  process_check.py BIN_DIRECTORY [CASE...]

Each case is a function below; its name says what is shown. Programs that are to be interrupted are waited for
by what they print, or by what reaches the other end of their socket."""
import gzip
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE_S = 60  # for what takes a moment


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Bin:
    """The programs, and a folder for the case at hand."""

    def __init__(self, folder, scratch):
        self.folder, self.scratch = folder, scratch
        self.started = []

    def command(self, program, *arguments):
        return [str(self.folder / program), *map(str, arguments)]

    def run(self, program, *arguments, status=0, contains=()):
        result = subprocess.run(self.command(program, *arguments), capture_output=True, text=True, timeout=PATIENCE_S,
                                stdin=subprocess.DEVNULL, check=False)
        expect(result.returncode == status, f"status {result.returncode}, not {status}\n{result.stdout}{result.stderr}")
        for words in contains:
            expect(words in result.stderr, f"the message does not say {words!r}: {result.stderr}")
        return result

    def start(self, program, *arguments):
        process = subprocess.Popen(self.command(program, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def kill(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def write(self, name, content):
        path = self.scratch / name
        path.write_bytes(content)
        return path


def finish(process, status=0):
    """Waits for the end, and gives what was printed."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed("it does not end") from None
    expect(process.returncode == status, f"status {process.returncode}, not {status}\n{out}{err}")
    return out, err


def listen():
    server = socket.create_server(("127.0.0.1", 0), backlog=1000)
    server.settimeout(PATIENCE_S)
    return server, server.getsockname()[1]


def wait_until_it_blocks(process):
    """Until a thread of the process waits in read(2), which is system call 0 here."""
    for _ in range(PATIENCE_S * 50):
        for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
            try:
                words = (task / "syscall").read_text().split()
            except OSError:
                continue
            if words[0] == "0" and words[1] == "0x0":  # read(0, ...)
                return
        time.sleep(0.02)
    raise Failed("no thread waits for standard input")


def wait_for_slots(process):
    """Until the job has threads to run on."""
    for _ in range(PATIENCE_S * 50):
        if any("tw-slot" in task.read_text() for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*/comm")):
            return
        time.sleep(0.02)
    raise Failed("no slot has started")


# ---- The word count ----

def words_of_a_socket_that_closes_are_counted(programs):
    server, port = listen()
    process = programs.start("wordcount", "--host", "127.0.0.1", "--port", port, "--every", "1 h")
    peer, _ = server.accept()
    peer.sendall(b"to be or not to be\nthat is\n  the question to\n")
    peer.close()
    out, _ = finish(process)
    counts = sorted((line.split('key: "')[1].split('"')[0], line.split("value: ")[1].rstrip("}"))
                    for line in out.splitlines())
    wanted = {"to": 3, "be": 2, "or": 1, "not": 1, "that": 1, "is": 1, "the": 1, "question": 1}
    expect(counts == sorted((word, str(count)) for word, count in wanted.items()), f"counted {out}")


def ctrl_c_ends_a_job_cleanly_with_what_it_has_read(programs):
    server, port = listen()
    process = programs.start("wordcount", "--host", "127.0.0.1", "--port", port, "--every", "2 s")
    peer, _ = server.accept()
    peer.sendall(b"word\n")
    line = process.stdout.readline()
    expect('"word"' in line, f"printed {line}")
    process.send_signal(signal.SIGINT)
    _, err = finish(process)
    expect("press Ctrl-C again" in err, f"said {err}")
    peer.close()


def a_server_that_is_not_there_is_named(programs):
    server, port = listen()
    server.close()
    programs.run("wordcount", "--host", "127.0.0.1", "--port", port, status=1,
                 contains=(f"127.0.0.1:{port}", "lines", "error[TW"))


# ---- Ctrl-C ----

def a_job_without_end_is_stopped_by_one_ctrl_c(programs):
    process = programs.start("misbehaving", "--case", "endless", "-p", "2")
    wait_for_slots(process)
    time.sleep(0.5)  # for some rows
    process.send_signal(signal.SIGINT)
    out, err = finish(process)
    expect("press Ctrl-C again" in err, f"said {err}")
    expect(out.count("\n") == 1 and "value: " in out, f"the window that was open did not fire: {out}")


def a_second_ctrl_c_ends_a_job_that_hangs(programs):
    process = programs.start("misbehaving", "--case", "blocks")
    wait_until_it_blocks(process)
    process.send_signal(signal.SIGINT)
    said = iter(process.stderr.readline, "")
    expect(any("press Ctrl-C again" in line for line in said), "the first Ctrl-C was not answered")
    expect(process.poll() is None, "it has ended at the first Ctrl-C, in the middle of user code")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    finish(process, status=128 + signal.SIGINT)
    expect(time.monotonic() - begun < 5, "it took its time")


# ---- User code ----

def what_user_code_throws_is_one_message_and_a_status(programs):
    result = programs.run("misbehaving", "--case", "throws", status=1,
                          contains=("out of luck", "fragile", "fragile-uid", "57"))
    messages = [line for line in result.stderr.splitlines() if "error[TW" in line]
    expect(len(messages) == 1, f"messages: {result.stderr}")


def code_that_throws_before_the_job_starts_is_a_message(programs):
    programs.run("misbehaving", "--case", "throws-early", status=1, contains=("no idea what to do", "error[TW"))


def a_job_without_pipeline_is_said_to_be_none(programs):
    programs.run("misbehaving", "--case", "nothing", status=1, contains=("no pipeline",))


def an_argument_that_is_missing_is_named(programs):
    programs.run("misbehaving", status=2, contains=("--case",))


def uids_that_are_asked_for_are_needed(programs):
    programs.run("misbehaving", "--case", "throws", "-Dpipeline.auto-generate-uids=false", status=1,
                 contains=("sequence", "uid"))


def more_subtasks_than_key_groups_are_refused(programs):
    programs.run("misbehaving", "--case", "throws", "-p", "8", "-Dpipeline.max-parallelism=4", status=1,
                 contains=("8", "4"))


# ---- Files ----

def lengths(programs, path, *arguments):
    out = programs.run("misbehaving", "--case", "lines", "--path", path, *arguments).stdout
    return [int(line) for line in out.splitlines()]


def a_line_of_100_mb_is_refused_or_read(programs):
    path = programs.write("long.txt", b"first\n" + b"x" * 100_000_000 + b"\nlast\n")
    programs.run("misbehaving", "--case", "lines", "--path", path, status=1,
                 contains=("long.txt at byte 6", "error[TW"))
    found = lengths(programs, path, "--bytes-max", 128 << 20)
    expect(found == [5, 100_000_000, 4], f"lengths {found}")
    path.unlink()


def files_that_are_empty_missing_or_cut_short(programs):
    expect(lengths(programs, programs.write("empty", b"")) == [], "an empty file has lines")
    expect(lengths(programs, programs.write("empty.gz", gzip.compress(b""))) == [], "an empty gzip file has lines")
    programs.run("misbehaving", "--case", "lines", "--path", programs.scratch / "nowhere", status=1,
                 contains=("nowhere", "error[TW1400]"))
    cut = programs.write("cut.gz", gzip.compress(os.urandom(100_000))[:50_000])
    programs.run("misbehaving", "--case", "lines", "--path", cut, status=1, contains=("cut.gz", "error[TW1602]"))


def a_file_that_can_not_be_read_is_named(programs):
    # Root may read what has no permissions, but nobody the first page of a process.
    programs.run("misbehaving", "--case", "lines", "--path", "/proc/self/mem", status=1,
                 contains=("/proc/self/mem", "error[TW14"))
    if os.geteuid() != 0:
        path = programs.write("secret", b"1\n")
        path.chmod(0)
        programs.run("misbehaving", "--case", "lines", "--path", path, status=1, contains=("secret", "error[TW1401]"))


def a_file_that_grows_is_read_to_where_it_ends(programs):
    path = programs.write("log", b"four\n" * 100_000)
    stop = threading.Event()

    def grow():
        with open(path, "ab") as log:
            while not stop.is_set():
                log.write(b"four\n" * 200)
                log.flush()
                time.sleep(0.001)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        found = lengths(programs, path)
    finally:
        stop.set()
        writer.join()
    expect(len(found) >= 100_000 and set(found) == {4}, f"{len(found)} lines of {set(found)} bytes")


# ---- Idle tasks ----

def cpu_ticks(process):
    words = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def a_thousand_idle_tasks_in_one_slot_use_no_processor(programs):
    server, port = listen()
    process = programs.start("misbehaving", "--case", "idle", "--port", port, "--sources", 100,
                             "-Dtaskmanager.numberOfTaskSlots=1")
    peers = [server.accept()[0] for _ in range(100)]
    time.sleep(2)  # connections are made: what has to be done once is done
    before = cpu_ticks(process)
    time.sleep(3)
    ticks = cpu_ticks(process) - before
    print(f"  1,000 idle tasks: {ticks} ticks of {os.sysconf('SC_CLK_TCK')} a second, in 3 s")
    expect(ticks <= 3, f"{ticks} ticks in 3 s")
    for number, peer in enumerate(peers):
        peer.sendall(f"line {number}\n".encode())
        peer.close()
    out, _ = finish(process)
    expect(out.count("line ") == 100, f"printed {out[:300]}")


# ---- The other examples ----

def hot_items_are_the_same_at_any_parallelism(programs):
    """Of auctions with equally many bids any may come first."""
    def counts(*arguments):
        out = programs.run("nexmark", "--job", "hot_items", "--events", 300_000, *arguments).stdout
        return sorted(re.sub(r"key: \d+", "", re.sub(r"^\d+> ", "", line)) for line in out.splitlines())

    wanted = counts()
    expect(len(wanted) == 19 and all("value: " in line for line in wanted), f"found {wanted}")
    expect(counts("-p", "3") == wanted, "other counts at parallelism 3")


def a_second_run_of_the_flights_replaces_its_own_results_only(programs):
    data, out = programs.scratch / "data", programs.scratch / "out"
    data.mkdir()
    (data / "flights.csv").write_text(
        "dep_time,sched_dep_time,dep_delay,carrier,flight,tailnum,origin,dest,time_hour\n"
        "517,515,2,UA,1545,N14228,EWR,IAH,2013-01-01T10:00:00Z\n"
        "NA,530,NA,UA,1546,NA,EWR,IAH,2013-01-01T10:00:00Z\n"
        "too,few\n")
    (data / "planes.csv").write_text("tailnum,year,manufacturer,model\n")
    (data / "weather.csv").write_text("origin,wind_speed,precip,visib,time_hour\n")
    arguments = ("flights", "--data", data, "--out", out)
    for _ in range(2):
        result = programs.run(*arguments)
        hourly = "".join(path.read_text() for path in (out / "hourly").iterdir())
        expect("EWR,2013-01-01T10:00:00.000Z,2,1,2.000,2\n" in hourly, f"hourly: {hourly}")
        expect(hourly.count("EWR") == 1, f"hourly: {hourly}")
        expect("malformed records" in result.stdout, result.stdout)
    (out / "hourly" / "notes.txt").write_text("mine")
    programs.run(*arguments, status=2, contains=("notes.txt",))
    expect((out / "sessions").exists(), "results are gone")
    programs.run("flights", "--data", programs.scratch / "none", status=1, contains=("none",))
    programs.run("flights", status=2, contains=("--data",))


def sql_and_streams_share_a_job(programs):
    """As a program and as a library, at any parallelism."""
    def lines(program, *arguments):
        out = programs.run(program, *arguments).stdout
        return sorted(re.sub(r":?\d*> ", "> ", line, count=1) for line in out.splitlines())

    wanted = lines("market", "--trades", 3000)
    for prefix, words in (("busy", "window_start: 1970-01-01"), ("north", "kind: +U"), ("large", "+I[")):
        expect(any(line.startswith(f"{prefix}> ") and words in line for line in wanted), f"no {prefix} in {wanted}")
    expect(lines("tidewheel", "run", programs.folder.parent / "lib" / "libmarket.so", "--", "--trades", 3000) == wanted,
           "the library finds something else")
    large = [line for line in wanted if line.startswith(("busy", "large"))]
    found = [line for line in lines("market", "--trades", 3000, "-p", 3) if line.startswith(("busy", "large"))]
    expect(found == large, f"at parallelism 3 {found}, not {large}")


CASES = [case for name, case in list(globals().items())
         if callable(case) and getattr(case, "__code__", None) and case.__code__.co_varnames[:1] == ("programs",)
         and name != "lengths"]


def out_of_patience(*_):
    raise Failed("it hangs")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    chosen = [case for case in CASES if not sys.argv[2:] or case.__name__ in sys.argv[2:]]
    signal.signal(signal.SIGALRM, out_of_patience)
    failures = 0
    for case in chosen:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            programs = Bin(pathlib.Path(sys.argv[1]), pathlib.Path(scratch))
            signal.alarm(2 * PATIENCE_S)
            try:
                case(programs)
                verdict = "ok"
            except (Failed, subprocess.TimeoutExpired, OSError) as failure:
                verdict, failures = f"FAILED: {failure}", failures + 1
            signal.alarm(0)
            programs.kill()
        print(f"{case.__name__} ({time.monotonic() - begun:.1f} s): {verdict}", flush=True)
    sys.exit(1 if failures or not chosen else 0)


if __name__ == "__main__":
    main()
