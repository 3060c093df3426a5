#!/usr/bin/env python3
"""Checkpoints under attack, with real processes and a real disk: the flights job is killed, its disk is full, its
checkpoints are damaged; then it goes on, and its results have to be those of an undisturbed run.

  torture_check.py BIN_DIRECTORY EXAMPLE_DIRECTORY [--kills N] [--seed S] [CASE...]

Each case is a function below; its name says what is shown. --kills is the number of SIGKILLs in the cases that kill
(some, so that it takes seconds; hundreds by hand)."""
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
MONTHS = ("01", "02")  # of the data: a run takes half a second when nothing holds it back
RATE = 30_000          # rows a second, where a run has to last long enough to be killed


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Ground:
    """Where a case works: the program, the data, what the results have to be, and a folder."""

    def __init__(self, bin_folder, example, scratch, options):
        sys.path.insert(0, str(example))
        import crash  # the example's own
        self.crash, self.bin, self.scratch = crash, bin_folder, scratch
        self.kills, self.chance = options.kills, random.Random(options.seed)
        self.program = bin_folder / "flights"
        self.data = scratch / "data"
        self.data.mkdir()
        for path in (example / "data").iterdir():
            if not path.name.startswith("flights") or any(path.name.endswith(f"-{month}.csv.gz") for month in MONTHS):
                (self.data / path.name).symlink_to(path)
        self.wanted, self.counters = crash.undisturbed(self.program, self.data, scratch / "undisturbed")
        self.case = 0

    def job(self):
        self.case += 1
        return self.crash.Job(self.program, self.data, self.scratch / f"case-{self.case}")

    def run(self, job, *arguments, status=0, **settings):
        """Runs to the end; gives what was said on both streams."""
        before = len(job.said()) if job.log.exists() else 0
        found, text = job.finish(job.start(*arguments, **settings), PATIENCE_S)
        said = text + job.said()[before:]
        expect(found == status, f"status {found}, not {status}: {said[-3000:]}")
        return said

    def interrupt(self, process, job, how):
        """Waits until a checkpoint is complete, then signals."""
        wait_for(lambda: self.crash.newest_checkpoint(job.checkpoints), process, job)
        process.send_signal(how)

    def check(self, job, text=None):
        found, left_over = self.crash.results_of(job.out)
        problems = self.crash.differences(found, self.wanted)
        if text is not None and self.crash.counters_of(text) != self.counters:
            problems.append(f"counted {self.crash.counters_of(text)}, not {self.counters}")
        if left_over:
            problems.append(f"left over: {left_over}")
        expect(not problems, "; ".join(problems) + "\n" + job.said()[-3000:])

    def killed_with_checkpoints(self, retained, *arguments):
        """A job that was killed when it had more checkpoints than it keeps."""
        job = self.job()
        process = job.start(*checkpoints(job), "--rate", RATE, *arguments,
                            f"-Dexecution.checkpointing.num-retained={retained}")
        wait_for(lambda: (self.crash.newest_checkpoint(job.checkpoints) or 0) > retained, process, job)
        process.kill()
        process.communicate()
        return job


def checkpoints(job, interval="50ms"):
    return ("--checkpoint-interval", interval, "--checkpoint-dir", job.checkpoints)


def wait_for(happens, process, job):
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        expect(process.poll() is None, f"it has ended too early: {job.said()[-3000:]}")
        expect(time.monotonic() < deadline, f"it hangs: {job.said()[-3000:]}")
        time.sleep(0.005)


def kept(job):
    """The folders of complete checkpoints, the newest last."""
    folders = [path.parent for path in job.checkpoints.glob("*/chk-*/_metadata")]
    return sorted(folders, key=lambda folder: int(folder.name[4:]))


# ---- SIGKILL ----

SETTINGS = (
    (),
    ("-Dexecution.checkpointing.incremental=true",),
    ("-Dexecution.checkpointing.unaligned.enabled=true",),
    ("-Dexecution.checkpointing.incremental=true", "-Dexecution.checkpointing.snapshot-compression=lz4"),
    ("-Dexecution.checkpointing.num-retained=3", "-Dtaskmanager.batch-rows=50"),
    ("-Dexecution.checkpointing.data-inline-threshold=0", "-Dexecution.checkpointing.snapshot-compression=zstd"),
)


def kill_at_random(ground, *arguments):
    """Jobs with one set of settings after the other, until there were enough kills."""
    killed, jobs = 0, 0
    while killed < ground.kills:
        job = ground.job()
        settings = SETTINGS[jobs % len(SETTINGS)]
        parallelism = ground.chance.randint(1, 3)
        jobs += 1
        try:
            text, kills = ground.crash.crash(
                job, min(4, ground.kills - killed),
                [*checkpoints(job, "30ms")[:2], "--rate", RATE, "-p", parallelism, *settings, *arguments], ground.chance,
                lambda _: None)
        except RuntimeError as failure:
            raise Failed(f"{settings} -p {parallelism}: {failure}") from failure
        killed += kills
        try:
            ground.check(job, text)
        except Failed as failure:
            raise Failed(f"{settings} -p {parallelism} after {kills} kills: {failure}") from failure
        shutil.rmtree(job.out.parent)
    print(f"  {killed} kills of {jobs} jobs")


def a_job_killed_at_random_moments_gives_the_same_results(ground):
    kill_at_random(ground)


def a_job_killed_before_its_first_checkpoint_begins_anew(ground):
    job = ground.job()
    process = job.start("--checkpoint-interval", "1h", "--checkpoint-dir", job.checkpoints, "--rate", RATE)
    wait_for(lambda: any(job.out.glob("*/.*")) or any(job.out.glob("*/part-*")), process, job)
    process.kill()
    process.communicate()
    said = ground.run(job, *checkpoints(job), "--resume")
    expect("starting from the beginning" in said, said)
    ground.check(job, said)


# ---- The disk ----

def small_disk(ground, megabytes):
    """A file system of its own that can be filled, or nothing where that is not allowed."""
    folder = ground.scratch / f"disk-{ground.case}"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
                             capture_output=True, check=False).returncode == 0
    return folder if mounted else None


def release(folder):
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def fill(folder):
    with open(folder / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 65536):
                pass
        except OSError:
            pass
    return folder / "filler"


def a_full_disk_fails_checkpoints_and_not_the_job(ground):
    """Checkpoints go on when there is room again."""
    job = ground.job()
    disk = small_disk(ground, 16)
    if disk is None:
        print("  (mounting is not allowed here)")
        return
    try:
        job.checkpoints = disk / "checkpoints"
        process = job.start(*checkpoints(job), "--rate", RATE,
                            "-Dexecution.checkpointing.tolerable-failed-checkpoints=1000000")
        wait_for(lambda: ground.crash.newest_checkpoint(job.checkpoints), process, job)
        filler = fill(disk)
        time.sleep(0.3)
        full = ground.crash.newest_checkpoint(job.checkpoints)
        filler.unlink()
        wait_for(lambda: ground.crash.newest_checkpoint(job.checkpoints) > full, process, job)
        status, text = job.finish(process, PATIENCE_S)
        expect(status == 0, job.said())
        ground.check(job, text)
        failed = re.search(r"checkpoints: \d+ completed, (\d+) failed", job.said())
        expect(failed and int(failed.group(1)) > 0, f"no checkpoint has failed: {job.said()}")
        expect("No space left" in job.said(), f"the reason is not said: {job.said()}")
    finally:
        release(disk)


def a_job_whose_results_find_no_room_fails_and_goes_on_later(ground):
    job = ground.job()
    process = job.start(*checkpoints(job), "--rate", RATE, "-Drestart-strategy.type=none",
                        "-Dexecution.checkpointing.externalized-checkpoint-retention=DELETE_ON_CANCELLATION",
                        restore_signals=False,  # SIGXFSZ stays ignored, so that write(2) fails
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    status, _ = job.finish(process, PATIENCE_S)
    expect(status == 1, f"status {status}: {job.said()}")
    expect("error[TW" in job.said() and "too large" in job.said(), f"the reason is not said: {job.said()}")
    said = ground.run(job, *checkpoints(job), "--resume")
    ground.check(job, said)


# ---- Damage ----

def goes_on_from_the_one_before(ground, job, damage):
    """`damage` makes the newest checkpoint useless."""
    folders = kept(job)
    expect(len(folders) >= 2, f"checkpoints: {folders}")
    newest, before = folders[-1], folders[-2]
    damaged = damage(newest)
    said = ground.run(job, *checkpoints(job), "--resume")
    # What the manifest knows is noticed before the start, damage within a file when it is read.
    expect(f"starting from checkpoint {before.name[4:]}:" in said or f"goes back to {before}" in said,
           f"{damaged} is damaged, and it did not start from {before.name}: {said[-3000:]}")
    expect(newest.name in said, f"nothing is said of {newest.name}: {said[-3000:]}")
    ground.check(job, said)


def flip(path, chance):
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return f"{path} at byte {at}"


def data_files(folder):
    return [path for path in folder.iterdir() if path.name != "_metadata" and path.stat().st_size > 0]


def a_damaged_manifest_is_noticed_and_the_checkpoint_before_used(ground):
    for _ in range(3):
        goes_on_from_the_one_before(ground, ground.killed_with_checkpoints(3),
                                    lambda newest: flip(newest / "_metadata", ground.chance))


def damaged_state_is_noticed_and_the_checkpoint_before_used(ground):
    for _ in range(3):
        job = ground.killed_with_checkpoints(3, "-Dexecution.checkpointing.data-inline-threshold=0")
        goes_on_from_the_one_before(
            ground, job, lambda newest: flip(ground.chance.choice(data_files(newest)), ground.chance))


def a_checkpoint_that_misses_a_file_is_passed_over(ground):
    def remove(newest):
        path = ground.chance.choice(data_files(newest))
        path.unlink()
        return path

    job = ground.killed_with_checkpoints(3, "-Dexecution.checkpointing.data-inline-threshold=0")
    goes_on_from_the_one_before(ground, job, remove)


def a_checkpoint_that_can_not_be_read_is_passed_over(ground):
    def hide(newest):  # a folder in its place: what root can't read either
        (newest / "_metadata").unlink()
        (newest / "_metadata").mkdir()
        return newest / "_metadata"

    goes_on_from_the_one_before(ground, ground.killed_with_checkpoints(3), hide)


# ---- Savepoints ----

def a_savepoint_that_does_not_exist_is_named(ground):
    job = ground.job()
    said = ground.run(job, "--from-savepoint", ground.scratch / "nowhere", status=1)
    expect("nowhere" in said and "error[TW1303]" in said, said)
    (ground.scratch / "empty").mkdir()
    said = ground.run(job, "-s", ground.scratch / "empty", status=1)
    expect("empty" in said and "error[TW1303]" in said, said)


def saved(ground, job, *arguments):
    """Stops the job with a savepoint; gives the savepoint's folder."""
    target = job.out.parent / "savepoints"
    process = job.start(*checkpoints(job), "--rate", RATE, "--savepoint-on-interrupt", target, *arguments)
    ground.interrupt(process, job, signal.SIGINT)
    status, _ = job.finish(process, PATIENCE_S)
    expect(status == 0, f"status {status}: {job.said()}")
    folders = list(target.iterdir())
    expect(len(folders) == 1, f"savepoints: {folders}")
    expect(f"savepoint: {folders[0]}" in job.said(), job.said())
    return folders[0]


def a_savepoint_may_be_moved_and_restored_at_another_parallelism(ground):
    for before, after in ((1, 3), (3, 2)):
        job = ground.job()
        savepoint = saved(ground, job, "-p", before)
        moved = job.out.parent / "elsewhere"
        shutil.copytree(savepoint, moved)
        shutil.rmtree(savepoint)
        shutil.rmtree(job.checkpoints)
        said = ground.run(job, *checkpoints(job), "-s", moved, "-p", after)
        expect("starting from savepoint" in said, said)
        ground.check(job, said)
        expect((moved / "_metadata").exists(), "the savepoint is gone")


def a_savepoint_may_start_two_jobs(ground):
    job = ground.job()
    savepoint = saved(ground, job)
    twin = ground.job()
    shutil.copytree(job.out, twin.out)
    for each in (job, twin):
        said = ground.run(each, "-s", savepoint)
        ground.check(each, said)


CASES = [case for name, case in list(globals().items())
         if callable(case) and getattr(case, "__code__", None) and case.__code__.co_varnames[:1] == ("ground",)
         and case.__code__.co_argcount == 1 and case.__code__.co_flags & 0x04 == 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin", type=pathlib.Path)
    parser.add_argument("example", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(4), "little")
    chosen = [case for case in CASES if not options.cases or case.__name__ in options.cases]
    expect(chosen, f"there are no such cases; there are {[case.__name__ for case in CASES]}")
    print(f"seed {options.seed}", flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="tidewheel-torture-") as scratch:
        ground = Ground(options.bin.resolve(), options.example.resolve(), pathlib.Path(scratch), options)
        for case in chosen:
            begun = time.monotonic()
            try:
                case(ground)
                print(f"ok   {case.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
            except (Failed, subprocess.TimeoutExpired) as failure:
                print(f"FAIL {case.__name__}: {failure}", flush=True)
                failed.append(case.__name__)
    if failed:
        sys.exit(f"{len(failed)} of {len(chosen)} cases have failed, with seed {options.seed}: {', '.join(failed)}")


if __name__ == "__main__":
    main()
