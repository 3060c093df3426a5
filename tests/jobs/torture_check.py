#!/usr/bin/env python3
"""Checkpoints under attack, with real processes and a real disk: jobs are killed, their disk is full, their checkpoints
are damaged; then they go on, and their results have to be those of an undisturbed run.

  torture_check.py BIN_DIRECTORY EXAMPLE_DIRECTORY [--kills N] [--seed S] [--backend TYPE] [--minutes M] [CASE...]

Each case is a function below; its name says what is shown. --kills is the number of SIGKILLs in each case that kills.
--backend has the cases with a choice use one state backend only. --minutes goes through the cases again and again,
with another seed each time, until so long has passed. A case that is not possible on this machine says why.

Two jobs are used: the flights example, whose results are compared with those of an undisturbed run, and `tortured`,
whose lines say by themselves whether each row has counted once (tortured.cc)."""
import argparse
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 120
MONTHS = ("01", "02")  # of the flights: a run takes half a second when nothing holds it back
RATE = 30_000          # rows a second, where a run has to last long enough to be killed
SLOW = RATE // 10      # where it must not end by itself, on a busy machine either
NOBODY = 65534


class Failed(Exception):
    pass


class NotHere(Exception):
    """The case can't be shown on this machine."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


# ---- The jobs ----

class Job:
    """One program with its results and its checkpoints, in a folder of its own."""

    def __init__(self, ground, folder, *arguments):
        self.ground, self.folder = ground, folder
        self.out, self.checkpoints, self.log = folder / "results", folder / "checkpoints", folder / "log"
        self.arguments = arguments
        self.prefix = []  # what the program is started with
        folder.mkdir(parents=True)

    def start(self, *arguments, **settings):
        command = [*self.prefix, self.program(), *self.own_arguments(), *self.arguments, *arguments]
        with open(self.log, "ab") as log:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=log, text=True, **settings)

    def finish(self, process):
        """The exit status, and what was printed."""
        try:
            out = process.communicate(timeout=PATIENCE_S)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"it does not end: {self.tail()}") from None
        return process.returncode, out

    def run(self, *arguments, status=0, **settings):
        """Runs to the end; gives what was said on both streams."""
        before = len(self.said())
        found, text = self.finish(self.start(*arguments, **settings))
        said = text + self.said()[before:]
        expect(found == status, f"status {found}, not {status}: {said[-3000:]}")
        return said

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self):
        return self.said()[-3000:]

    def newest(self):
        numbers = [int(path.parent.name[4:]) for path in self.checkpoints.glob("*/chk-*/_metadata")]
        return max(numbers, default=0)

    def begun(self):
        """The newest checkpoint that has a folder."""
        return max((int(path.name[4:]) for path in self.checkpoints.glob("*/chk-*")), default=0)

    def kept(self):
        """The folders of complete checkpoints, the newest last."""
        folders = [path.parent for path in self.checkpoints.glob("*/chk-*/_metadata")]
        return sorted(folders, key=lambda folder: int(folder.name[4:]))

    def taking(self, interval="50ms"):
        return ("--checkpoint-interval", interval, "--checkpoint-dir", self.checkpoints)


class Flights(Job):
    def program(self):
        return self.ground.bin / "flights"

    def own_arguments(self):
        return ("--data", self.ground.data, "--out", self.out)

    def check(self, text):
        crash = self.ground.crash
        found, left_over = crash.results_of(self.out)
        problems = crash.differences(found, self.ground.wanted)
        # Killed when all was done, it says that and no more.
        done = not text and "has finished already" in self.said()
        if not done and crash.counters_of(text) != self.ground.counters:
            problems.append(f"counted {crash.counters_of(text)}, not {self.ground.counters}")
        if left_over:
            problems.append(f"left over: {left_over}")
        expect(not problems, "; ".join(problems) + "\n" + self.tail())


class Ledger(Job):
    """The job `tortured`: its rows are the numbers from 0 on."""
    rows, keys = 40_000, 300

    def program(self):
        return self.ground.bin / "tortured"

    def own_arguments(self):
        return ("--out", self.out, "--rows", self.rows, "--keys", self.keys)

    def lines(self):
        lines = []
        for path in sorted(self.out.glob("*/part-*")):
            text = path.read_text()
            expect(not text or text.endswith("\n"), f"{path} ends within a line")
            lines += [tuple(map(int, line.split(","))) for line in text.splitlines()]
        return lines

    def check(self, _=None, whole=True):
        """`whole`: all rows are there; else those that are there have to be right."""
        by_key, numbers = {}, []
        for key, number, count, total, kinds in self.lines():
            numbers.append(number)
            by_key.setdefault(key, []).append((count, number, total, kinds))
        twice = len(numbers) - len(set(numbers))
        missing = set(range(self.rows)) - set(numbers) if whole else ()
        expect(not twice and not missing,
               f"{twice} rows are there twice, {len(missing)} are missing, such as {list(missing)[:3]}\n{self.tail()}")
        for key, lines in by_key.items():
            sum_of, seen = 0, set()
            for expected, (count, number, total, kinds) in enumerate(sorted(lines), 1):
                sum_of += number
                seen.add(number // self.keys % 7)
                expect((count, total, kinds, number % self.keys) == (expected, sum_of, len(seen), key),
                       f"the state of key {key} is wrong at row {number}: {(count, total, kinds)}, not "
                       f"{(expected, sum_of, len(seen))}\n{self.tail()}")
        hidden = [str(path.relative_to(self.out)) for path in self.out.glob("**/.*")]
        expect(not whole or not hidden, f"left over: {hidden}")


class Ground:
    """Where the cases work: programs, data, what the results have to be, and a folder."""

    def __init__(self, bin_folder, example, scratch, options):
        sys.path.insert(0, str(example))
        import crash  # the example's own
        self.crash, self.bin, self.scratch = crash, bin_folder, scratch
        self.kills, self.backends = options.kills, [options.backend] if options.backend else ["hashmap", "rocksdb"]
        self.chance = random.Random()
        self.data = scratch / "data"
        self.data.mkdir()
        for path in (example / "data").iterdir():
            if not path.name.startswith("flights") or any(path.name.endswith(f"-{month}.csv.gz") for month in MONTHS):
                (self.data / path.name).symlink_to(path)
        self.wanted, self.counters = crash.undisturbed(bin_folder / "flights", self.data, scratch / "undisturbed")
        self.folders = 0

    def folder(self, name):
        self.folders += 1
        return self.scratch / f"{name}-{self.folders}"

    def flights(self, *arguments):
        return Flights(self, self.folder("flights"), *arguments)

    def ledger(self, *arguments):
        return Ledger(self, self.folder("ledger"), *arguments)

    def backend(self):
        return ("--state-backend", self.chance.choice(self.backends))


def wait_for(happens, process, job):
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        expect(process.poll() is None, f"it has ended too early: {job.tail()}")
        expect(time.monotonic() < deadline, f"it hangs: {job.tail()}")
        time.sleep(0.002)


def kill(process):
    """False: it has ended before by itself."""
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


# ---- SIGKILL ----

class Moments:
    """When to kill. Each waits for its moment, or until the process has ended."""

    def __init__(self, chance):
        self.chance = chance

    def wait(self, job, process):
        moment = self.chance.choice((self.at_once, self.in_its_start, self.somewhere, self.somewhere,
                                     self.in_a_checkpoint, self.in_a_commit))
        moment(job, process)
        return moment.__name__

    def pass_time(self, process, seconds):
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pass

    def at_once(self, _, process):
        self.pass_time(process, self.chance.uniform(0, 0.03))

    def in_its_start(self, _, process):
        self.pass_time(process, self.chance.uniform(0, 0.2))

    def somewhere(self, _, process):
        self.pass_time(process, self.chance.uniform(0.05, 1.2))

    def until_it_grows(self, number, process):
        before, deadline = number(), time.monotonic() + 2
        while number() <= before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        self.pass_time(process, self.chance.choice((0, 0.001, self.chance.uniform(0, 0.01))))

    def in_a_checkpoint(self, job, process):
        self.until_it_grows(job.begun, process)

    def in_a_commit(self, job, process):
        self.pass_time(process, self.chance.uniform(0, 0.5))
        self.until_it_grows(job.newest, process)


def kill_on_the_way(ground, job, kills, arguments):
    """Starts the job again and again until it has ended by itself, at another parallelism each time. Gives what it
    has printed then, and how often it was killed."""
    moments, killed, lives = Moments(ground.chance), 0, []
    while True:
        parallelism = ground.chance.randint(1, 3)
        process = job.start("--resume", "-p", parallelism, *arguments)
        if killed < kills:
            lives.append(f"-p {parallelism} {moments.wait(job, process)}")
            if process.poll() is None and kill(process):
                killed += 1
                continue
        status, text = job.finish(process)
        expect(status == 0, f"status {status} after {killed} kills ({'; '.join(lives)}): {job.tail()}")
        return text, killed


def kill_at_random(ground, make_job, settings):
    """Jobs with one set of settings after the other, until there were enough kills."""
    killed, jobs = 0, 0
    first = ground.chance.randrange(len(settings))
    while killed < ground.kills:
        job = make_job()
        chosen = settings[(first + jobs) % len(settings)]
        jobs += 1
        expect(jobs <= 3 * ground.kills + 10, "the jobs end before they can be killed")
        try:
            text, kills = kill_on_the_way(ground, job, min(8, ground.kills - killed),
                                          [*job.taking("30ms"), "--rate", RATE, *chosen])
            job.check(text)
        except Failed as failure:
            raise Failed(f"{' '.join(chosen)} in {keep_for_a_look(job)}: {failure}") from failure
        killed += kills
        shutil.rmtree(job.folder)
    print(f"  {killed} kills of {jobs} jobs")


def keep_for_a_look(job):
    kept = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-tortured-")) / job.folder.name
    shutil.copytree(job.folder, kept, symlinks=True)
    return kept


UNALIGNED = "-Dexecution.checkpointing.unaligned.enabled=true"
INCREMENTAL = "-Dexecution.checkpointing.incremental=true"
TO_FILES = "-Dexecution.checkpointing.data-inline-threshold=0"


def flights_that_are_killed_give_the_same_results(ground):
    """Not with unaligned checkpoints, where rows in flight that are late may count after all."""
    kill_at_random(ground, ground.flights, (
        (),
        (INCREMENTAL,),
        (INCREMENTAL, "-Dexecution.checkpointing.snapshot-compression=lz4"),
        ("-Dexecution.checkpointing.num-retained=3", "-Dtaskmanager.batch-rows=50"),
        (TO_FILES, "-Dexecution.checkpointing.snapshot-compression=zstd"),
        ("--state-backend", "rocksdb", INCREMENTAL),
    ))


def a_ledger_that_is_killed_has_each_row_once(ground):
    settings = (
        (INCREMENTAL,),
        (UNALIGNED,),
        (INCREMENTAL, UNALIGNED, "-Dtaskmanager.batch-rows=20"),
        ("-Dexecution.checkpointing.num-retained=3", TO_FILES),
    )
    parts = (("--part-bytes", "20000"), (), ("--part-bytes", "10000", "--merge-parts", "3"))
    kill_at_random(ground, ground.ledger, [
        ("--state-backend", backend, *each, *parts[i % len(parts)])
        for i, each in enumerate(settings) for backend in ground.backends])


def a_job_killed_before_its_first_checkpoint_begins_anew(ground):
    for job in (ground.flights(), ground.ledger("--part-bytes", 2000)):
        process = job.start("--checkpoint-interval", "1h", "--checkpoint-dir", job.checkpoints, "--rate", SLOW, "-p", 3)
        wait_for(lambda out=job.out: any(out.glob("*/.*")) or any(out.glob("*/part-*")), process, job)
        kill(process)
        said = job.run(*job.taking(), "--resume", "-p", 1)
        expect("starting from the beginning" in said, said)
        job.check(said)


# ---- Signals that ask ----

def a_job_that_is_asked_to_end_ends_with_what_it_has_read(ground):
    for how in (signal.SIGINT, signal.SIGTERM):
        job = ground.ledger(*ground.backend())
        process = job.start(*job.taking(), "--rate", SLOW, "-p", 2)
        wait_for(job.newest, process, job)
        process.send_signal(how)
        status, _ = job.finish(process)
        expect(status == 0, f"status {status} after {how.name}: {job.tail()}")
        job.check(whole=False)
        expect(0 < len(job.lines()) < job.rows, f"{len(job.lines())} rows after {how.name}")
        expect(not list(job.out.glob("**/.*")), "files are left over")


# ---- One process at a time ----

def a_second_process_on_the_same_folders_is_refused(ground):
    job = ground.ledger()
    first = job.start(*job.taking(), "--rate", SLOW)
    wait_for(job.newest, first, job)
    # With the job's checkpoints, and with its output alone.
    said = job.run(*job.taking(), "--resume", status=1)
    expect("error[TW1408]" in said and f"process {first.pid} " in said and "checkpoints" in said, said)
    said = job.run("-Drestart-strategy.type=none", status=1)
    expect("error[TW1408]" in said and f"process {first.pid} " in said and "part files" in said, said)
    expect(kill(first), "it has ended meanwhile: a lower rate is needed")
    job.check(job.run(*job.taking(), "--resume"))


# ---- The disk ----

class SmallDisk:
    """A file system of its own that can be filled."""

    def __init__(self, ground, megabytes):
        self.folder = ground.folder("disk")
        self.folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(self.folder)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotHere(f"mounting is not allowed: {done.stderr.strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)

    def fill(self, but_bytes=0):
        with open(self.folder / "filler", "ab", buffering=0) as filler:
            for size in (65536, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:
                    pass
            filler.truncate(max(0, filler.tell() - but_bytes))

    def make_room(self):
        (self.folder / "filler").unlink()


def a_full_disk_fails_checkpoints_and_not_the_job(ground):
    """Checkpoints go on when there is room again."""
    for make_job in (ground.flights, lambda: ground.ledger("--state-backend", "rocksdb", INCREMENTAL)):
        with SmallDisk(ground, 16) as disk:
            job = make_job()
            job.checkpoints = disk.folder / "checkpoints"
            process = job.start(*job.taking(), "--rate", 2 * SLOW, "-p", 2,
                                "-Dexecution.checkpointing.tolerable-failed-checkpoints=1000000")
            wait_for(job.newest, process, job)
            disk.fill()
            wait_for(lambda: "No space left" in job.said(), process, job)
            full = job.newest()
            disk.make_room()
            wait_for(lambda: job.newest() > full, process, job)
            status, text = job.finish(process)
            expect(status == 0, job.tail())
            job.check(text)
            failed = re.search(r"checkpoints: \d+ completed, (\d+) failed", job.said())
            expect(failed and int(failed.group(1)) > 0, f"no checkpoint has failed: {job.tail()}")


def a_working_folder_without_room_fails_the_job_which_goes_on_later(ground):
    """RocksDB's own files."""
    if "rocksdb" not in ground.backends:
        raise NotHere("it is about RocksDB")
    with SmallDisk(ground, 4) as disk:
        job = ground.ledger("--state-backend", "rocksdb", INCREMENTAL)
        local = f"-Dstate.backend.rocksdb.localdir={disk.folder}"
        process = job.start(*job.taking(), "--rate", RATE, "-p", 2, local, "-Drestart-strategy.type=fixed-delay",
                            "-Drestart-strategy.fixed-delay.attempts=2", "-Drestart-strategy.fixed-delay.delay=50ms",
                            "-Dexecution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION")
        wait_for(job.newest, process, job)
        disk.fill()
        status, _ = job.finish(process)
        expect(status == 1, f"status {status}: {job.tail()}")
        expect("No space left" in job.said() and str(disk.folder) in job.said(),
               f"the reason is not said: {job.tail()}")
        disk.make_room()
        job.check(job.run(*job.taking(), "--resume", local))


def results_without_room_fail_the_job_which_goes_on_later(ground):
    with SmallDisk(ground, 4) as disk:
        job = ground.ledger(*ground.backend())
        job.out = disk.folder / "results"
        disk.fill(but_bytes=100_000)
        status, _ = job.finish(job.start(
            *job.taking(), "-Drestart-strategy.type=none", "--rate", RATE,
            "-Dexecution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION"))
        expect(status == 1, f"status {status}: {job.tail()}")
        expect("error[TW1403]" in job.said() and str(job.out) in job.said(), f"the reason is not said: {job.tail()}")
        disk.make_room()
        job.check(job.run(*job.taking(), "--resume"))


def results_of_a_size_that_is_not_allowed_fail_the_job_which_goes_on_later(ground):
    job = ground.flights()
    status, _ = job.finish(job.start(
        *job.taking(), "--rate", RATE, "-Drestart-strategy.type=none",
        "-Dexecution.checkpointing.externalized-checkpoint-retention=DELETE_ON_CANCELLATION",
        restore_signals=False,  # SIGXFSZ stays ignored, so that write(2) fails
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))))
    expect(status == 1, f"status {status}: {job.tail()}")
    expect("error[TW" in job.said() and "too large" in job.said(), f"the reason is not said: {job.tail()}")
    job.check(job.run(*job.taking(), "--resume"))


# ---- Damage ----

def killed_with_checkpoints(job, *arguments, retained=3):
    """The job is killed when it has as many checkpoints as it keeps."""
    process = job.start(*job.taking(), "--rate", SLOW, *arguments,
                        f"-Dexecution.checkpointing.num-retained={retained}")
    wait_for(lambda: job.newest() > retained, process, job)
    kill(process)
    expect(len(job.kept()) >= 2, f"checkpoints: {job.kept()}")
    return job


def goes_on_from_the_one_before(ground, job, damage, *arguments):
    """`damage` makes the newest checkpoint useless, and says which file it has changed."""
    newest, before = job.kept()[-1], job.kept()[-2]
    damaged = damage(newest)
    wanted_at_start = f"starting from checkpoint {before.name[4:]}:"
    said = job.run(*job.taking(), "--resume", "-p", ground.chance.randint(1, 3), *arguments)
    expect(wanted_at_start in said, f"{damaged} is damaged, and it did not start from {before.name}: {said[-3000:]}")
    expect(newest.name in said, f"nothing is said of {newest.name}: {said[-3000:]}")
    expect(damaged.name in said, f"{damaged} is not named: {said[-3000:]}")
    expect("passed-over-" + newest.name in said, f"where it is now is not said: {said[-3000:]}")
    job.check(said)


def flip(path, chance):
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return path


def truncate(path, chance):
    os.truncate(path, chance.randrange(path.stat().st_size))
    return path


def remove(path, _):
    path.unlink()
    return path


def hide(path, _):
    """Nobody can read a file that is a folder, not even root."""
    path.unlink()
    path.mkdir()
    return path


HARM = (flip, flip, truncate, remove, hide)


def is_file(path):
    return path.is_file() and path.stat().st_size > 0


def a_damaged_manifest_is_noticed_and_the_checkpoint_before_used(ground):
    for harm in (flip, truncate, hide):
        job = killed_with_checkpoints(ground.chance.choice((ground.flights, ground.ledger))(), *ground.backend())
        goes_on_from_the_one_before(ground, job, lambda newest: harm(newest / "_metadata", ground.chance))


def damaged_state_is_noticed_and_the_checkpoint_before_used(ground):
    """Files that only the newest checkpoint has."""
    def do(harm, newest):
        files = [path for path in newest.iterdir() if path.name != "_metadata" and is_file(path)]
        return harm(ground.chance.choice(sorted(files)), ground.chance)

    for harm in HARM:
        job = killed_with_checkpoints(ground.chance.choice((ground.flights, ground.ledger))(), TO_FILES,
                                      *ground.backend(), "-p", 2)
        goes_on_from_the_one_before(ground, job, lambda newest: do(harm, newest))


def newest_shared(job, newest, suffix=""):
    """Files in shared/ that were written for the newest checkpoint, so that older ones do without them."""
    number = newest.name[4:]
    files = [path for path in (newest.parent / "shared").iterdir()
             if path.name.startswith(number + "-") and path.name.endswith(suffix) and is_file(path)]
    named = (newest / "_metadata").read_bytes()
    return sorted(path for path in files if path.name.encode() in named)


def damage_in_shared_files_is_noticed_and_the_checkpoint_before_used(ground):
    for harm in HARM:
        job = killed_with_checkpoints(ground.ledger("--state-backend", "hashmap"), TO_FILES, INCREMENTAL, "-p", 2)
        goes_on_from_the_one_before(
            ground, job, lambda newest: harm(ground.chance.choice(newest_shared(job, newest)), ground.chance))


def damage_in_rocksdb_s_files_is_noticed_and_the_checkpoint_before_used(ground):
    if "rocksdb" not in ground.backends:
        raise NotHere("it is about RocksDB")
    for harm in HARM:
        job = killed_with_checkpoints(ground.ledger("--state-backend", "rocksdb"), INCREMENTAL, "-p", 2)
        newest = job.kept()[-1]
        files = newest_shared(job, newest, ".sst") or newest_shared(job, newest)
        expect(files, f"there are none in {sorted((newest.parent / 'shared').iterdir())}")
        goes_on_from_the_one_before(ground, job, lambda _: harm(ground.chance.choice(files), ground.chance),
                                    "--state-backend", "rocksdb")


def a_checkpoint_that_may_not_be_read_is_passed_over(ground):
    """By the file's mode, which counts for nobody but root."""
    if os.geteuid() != 0:
        prefix, owner = [], None
    elif shutil.which("setpriv"):
        prefix, owner = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"], NOBODY
    else:
        raise NotHere("root may read everything, and there is no setpriv to be somebody else")
    job = ground.ledger(*ground.backend(), TO_FILES)
    job.prefix = prefix
    if owner is not None:
        program = job.folder / "tortured"
        shutil.copy(job.program(), program)
        job.program = lambda: program
        for path in (ground.scratch, job.folder):
            os.chmod(path, 0o755)
        os.chown(job.folder, owner, owner)
        job.arguments += (f"-Dstate.backend.rocksdb.localdir={job.folder}/local",)
    killed_with_checkpoints(job)

    def forbid(newest):
        path = ground.chance.choice([path for path in newest.iterdir() if is_file(path)])
        path.chmod(0)
        return path

    goes_on_from_the_one_before(ground, job, forbid)


def a_job_whose_checkpoints_are_all_damaged_does_not_begin_anew(ground):
    job = killed_with_checkpoints(ground.ledger())
    before = {path: path.read_bytes() for path in job.out.glob("**/.part-*") if is_file(path)}
    kept = job.kept()
    for folder in kept:
        flip(folder / "_metadata", ground.chance)
    said = job.run(*job.taking(), "--resume", status=1)
    expect("error[TW1309]" in said and all(str(folder) in said for folder in kept), said)
    expect("without --resume" in said, f"what to do is not said: {said}")
    expect(before == {path: path.read_bytes() for path in before}, "it has touched the results")
    shutil.rmtree(job.out)
    job.check(job.run(*job.taking()))


# ---- Savepoints ----

def a_savepoint_that_does_not_exist_is_named(ground):
    job = ground.flights()
    (ground.scratch / "empty").mkdir(exist_ok=True)
    for name in ("nowhere", "empty"):
        said = job.run("--from-savepoint", ground.scratch / name, status=1)
        expect(name in said and "error[TW1303]" in said, said)


def saved(job, *arguments):
    """Stops the job with a savepoint; gives the savepoint's folder."""
    target = job.folder / "savepoints"
    process = job.start(*job.taking(), "--rate", RATE, "--savepoint-on-interrupt", target, *arguments)
    wait_for(job.newest, process, job)
    process.send_signal(signal.SIGINT)
    status, _ = job.finish(process)
    expect(status == 0, f"status {status}: {job.tail()}")
    folders = list(target.iterdir())
    expect(len(folders) == 1, f"savepoints: {folders}")
    expect(f"savepoint: {folders[0]}" in job.said(), job.tail())
    return folders[0]


def a_savepoint_may_be_moved_and_restored_at_another_parallelism(ground):
    for before, after in ((1, 3), (3, 2)):
        job = ground.chance.choice((ground.flights, ground.ledger))()
        savepoint = saved(job, "-p", before, *ground.backend())
        moved = job.folder / "elsewhere"
        shutil.copytree(savepoint, moved)
        shutil.rmtree(savepoint)
        shutil.rmtree(job.checkpoints)
        said = job.run(*job.taking(), "-s", moved, "-p", after, *ground.backend())
        expect("starting from savepoint" in said, said)
        job.check(said)
        expect((moved / "_metadata").exists(), "the savepoint is gone")


def a_savepoint_may_start_two_jobs(ground):
    """One after the other, each with the output as it was then."""
    job = ground.flights()
    savepoint = saved(job)
    shutil.copytree(job.out, job.folder / "then")
    for _ in range(2):
        shutil.rmtree(job.out)
        shutil.copytree(job.folder / "then", job.out)
        job.check(job.run("-s", savepoint))


def a_savepoint_that_finds_no_room_is_none_and_the_job_goes_on(ground):
    with SmallDisk(ground, 1) as disk:
        job = ground.ledger(*ground.backend())
        process = job.start(*job.taking(), "--rate", 2 * SLOW, "--savepoint-on-interrupt", disk.folder / "here")
        wait_for(job.newest, process, job)
        disk.fill()
        process.send_signal(signal.SIGINT)
        status, _ = job.finish(process)
        expect(status == 0, f"status {status}: {job.tail()}")
        expect("no savepoint was taken, and the job goes on" in job.said() and "No space left" in job.said(),
               job.tail())
        job.check()


CASES = [case for name, case in list(globals().items())
         if callable(case) and getattr(case, "__code__", None) and case.__code__.co_varnames[:1] == ("ground",)
         and case.__code__.co_argcount == 1]


def run_cases(ground, cases, seed):
    """The names of those that have failed."""
    failed = []
    for case in cases:
        ground.chance.seed(f"{seed} {case.__name__}")
        begun = time.monotonic()
        try:
            case(ground)
            verdict = "ok  "
        except NotHere as reason:
            print(f"  not shown here: {reason}")
            verdict = "skip"
        except Failed as failure:
            print(str(failure)[:2500])
            verdict = "FAIL"
            failed.append(case.__name__)
        print(f"{verdict} {case.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        for folder in ground.scratch.glob("*-[0-9]*"):
            shutil.rmtree(folder, ignore_errors=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--backend", choices=("hashmap", "rocksdb"), default=None)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_intermixed_args()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    names = [case.__name__ for case in CASES]
    unknown = [name for name in options.cases if name not in names]
    if unknown:
        parser.error(f"there is no case {unknown[0]}; there are:\n  " + "\n  ".join(names))
    chosen = [case for case in CASES if not options.cases or case.__name__ in options.cases]
    failed, until = [], time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="tidewheel-torture-") as scratch:
        ground = Ground(options.bin.resolve(), options.example.resolve(), pathlib.Path(scratch), options)
        while True:
            print(f"seed {seed}", flush=True)
            failed += [f"{name} with seed {seed}" for name in run_cases(ground, chosen, seed)]
            seed += 1
            if time.monotonic() >= until:
                break
    if failed:
        sys.exit(f"{len(failed)} cases have failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
