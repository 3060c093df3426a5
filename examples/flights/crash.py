#!/usr/bin/env python3
"""Kills the flights job several times on its way, has it go on from its newest checkpoint each time, and compares
what it has written with the results of a run that nothing disturbed.

  crash.py PROGRAM DATA FOLDER [--kills N] [--rate R] [--interval TIME] [--seed S] [-- JOB_ARGUMENT...]"""
import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

RESULTS = ("alerts", "hourly", "late", "sessions", "weather")


def results_of(out):
    """The rows of each result that can be seen, with how often each is there; and what has been left over."""
    found, left_over = {}, []
    for name in RESULTS:
        rows = collections.Counter()
        for path in sorted((out / name).glob("**/*")) if (out / name).is_dir() else []:
            if path.is_dir():
                continue
            if path.name.startswith("."):
                left_over.append(str(path.relative_to(out)))
                continue
            lines = path.read_text().split("\n")
            if lines[-1] != "":
                raise ValueError(f"{path} ends within a row: {lines[-1]!r}")
            rows.update(lines[1:-1])
        found[name] = rows
    return found, left_over


def differences(found, wanted):
    """Sentences on what is missing and what is there too often."""
    out = []
    for name in RESULTS:
        missing, surplus = wanted[name] - found[name], found[name] - wanted[name]
        for rows, what in ((missing, "missing"), (surplus, "too many")):
            if rows:
                out.append(f"{name}: {rows.total()} rows {what}, such as {next(iter(rows))}")
    return out


def counters_of(text):
    """What the program printed under "Counted"."""
    lines = text.partition("\nCounted\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^  (.*\S)\s+(\d+)$", lines, re.M))


def newest_checkpoint(checkpoints):
    numbers = [int(path.parent.name[4:]) for path in checkpoints.glob("*/chk-*/_metadata")]
    return max(numbers, default=None)


class Job:
    """One program with its results and its checkpoints, in a folder of its own."""

    def __init__(self, program, data, folder):
        self.program, self.data = str(program), str(data)
        self.out, self.checkpoints = folder / "results", folder / "checkpoints"
        self.log = folder / "log"
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *arguments, **settings):
        with open(self.log, "ab") as log:
            return subprocess.Popen([self.program, "--data", self.data, "--out", str(self.out), *map(str, arguments)],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, **settings)

    def finish(self, process, patience_s=300):
        """The exit status, and what was printed."""
        out = process.communicate(timeout=patience_s)[0]
        return process.returncode, out

    def said(self):
        return self.log.read_text(errors="replace")


def undisturbed(program, data, folder):
    job = Job(program, data, folder)
    status, text = job.finish(job.start())
    if status != 0:
        sys.exit(f"the undisturbed run has failed:\n{job.said()}")
    found, left_over = results_of(job.out)
    if left_over:
        sys.exit(f"the undisturbed run has left {left_over}")
    return found, counters_of(text)


def kill_after(process, seconds):
    """Ends the process with SIGKILL. False: it has ended before by itself."""
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return process.returncode == -signal.SIGKILL


def crash(job, kills, arguments, chance, say):
    """Runs the job to its end, killing it so often on the way. Returns what it printed at its end, and how often
    it was killed."""
    killed = 0
    while True:
        process = job.start("--checkpoint-dir", job.checkpoints, "--resume", *arguments)
        if killed < kills:
            seconds = chance.uniform(0.05, 1.5)
            if kill_after(process, seconds):
                killed += 1
                found, left_over = results_of(job.out)
                rows = sum(each.total() for each in found.values())
                newest = newest_checkpoint(job.checkpoints)
                say(f"  SIGKILL {killed} after {seconds:.2f} s: " +
                    (f"checkpoint {newest} is complete, " if newest else "no checkpoint is complete, ") +
                    f"{rows:,} rows can be seen, {len(left_over)} files are hidden")
                continue
        status, text = job.finish(process)
        if status != 0:
            raise RuntimeError(f"the job has failed with status {status}:\n{job.said()[-4000:]}")
        # Killed when all was done, and before it could say so.
        return None if text == "" and "has finished already" in job.said() else text, killed


def main():
    arguments = sys.argv[1:]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    mine, for_job = arguments[:at], arguments[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--rate", type=float, default=50_000, help="flights that the job reads in a second")
    parser.add_argument("--interval", default="100ms", help="time between checkpoints")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(mine)
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    say = lambda text: print(text, flush=True)

    for name in ("undisturbed", "crashed"):
        shutil.rmtree(options.folder / name, ignore_errors=True)
    say("Running the job undisturbed")
    wanted, wanted_counters = undisturbed(options.program, options.data, options.folder / "undisturbed")
    say(f"  {sum(each.total() for each in wanted.values()):,} rows")
    say(f"Running it again at {options.rate:,.0f} flights a second, a checkpoint each {options.interval}, "
        f"and killing it (seed {seed})")
    job = Job(options.program, options.data, options.folder / "crashed")
    begun = time.monotonic()
    text, killed = crash(job, options.kills, ["--rate", options.rate, "--checkpoint-interval", options.interval, *for_job],
                         random.Random(seed), say)
    for line in job.said().splitlines():
        if line.startswith("checkpoints: "):
            say(f"  at its end the job says: {line}")
    found, left_over = results_of(job.out)
    rows = sum(each.total() for each in found.values())
    say(f"  killed {killed} times and finished, {time.monotonic() - begun:.1f} s in all, {rows:,} rows")

    problems = differences(found, wanted)
    if text is not None and counters_of(text) != wanted_counters:
        problems.append(f"counted {counters_of(text)}, not {wanted_counters}")
    if left_over:
        problems.append(f"left over: {left_over}")
    if problems:
        sys.exit("DIFFERENT:\n  " + "\n  ".join(problems))
    if killed == 0:
        sys.exit("the job was never killed: choose a lower --rate")
    say("The same: no row is missing, none is there twice, and nothing is left over.")


if __name__ == "__main__":
    main()
