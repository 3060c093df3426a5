#!/usr/bin/env python3
"""Installs a build, builds a job outside of the tree against it, and runs both forms of the job.

  check_package.py BUILD_DIRECTORY"""
import collections
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
COUNTS = {"to": 2, "be": 2, "or": 1, "not": 1}


def run(*command, status=0, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                            timeout=300, check=False, **options)
    if result.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}: status {result.returncode}, not {status}\n{result.stdout}{result.stderr}")
    return result


def expect(condition, what, result):
    if not condition:
        sys.exit(f"{what}\n--- stdout\n{result.stdout}\n--- stderr\n{result.stderr}")


def check_counts(result):
    """The last count of each word, whatever the form in which rows are printed."""
    last = collections.defaultdict(int)
    for line in result.stdout.splitlines():
        for word in COUNTS:
            if word in line:
                digits = [part for part in "".join(c if c.isdigit() else " " for c in line.split(word, 1)[1]).split()]
                last[word] = max(last[word], int(digits[-1]) if digits else 0)
    expect(dict(last) == COUNTS, f"the counts are {dict(last)}, not {COUNTS}", result)


def build(project, binary, package):
    run("cmake", "-S", project, "-B", binary, "-G", "Ninja", f"-DTidewheel_DIR={package}")
    return run("cmake", "--build", binary)


def check_forms(binary, tidewheel):
    program, library = binary / "words", binary / "libwords.so"
    check_counts(run(program))
    check_counts(run(program, "-p", "2"))
    check_counts(run(tidewheel, "run", library, "-p", "2", "-Dtaskmanager.batch-rows=1"))
    check_counts(run(tidewheel, "run", library.name, cwd=binary))

    plan = run(tidewheel, "explain", library)
    expect("count" in plan.stdout, "the plan does not name the operator", plan)
    plan = run(tidewheel, "explain", "--json", library)
    expect('"count"' in plan.stdout, "the plan does not name the operator", plan)
    health = run(tidewheel, "doctor", library)
    expect("can be run here" in health.stdout, "the library is said to be ill", health)

    failed = run(tidewheel, "run", library, "--", "--fail", status=1)
    for word in ("asked to fail", "count", "error[TW"):
        expect(word in failed.stderr, f"the message does not say {word!r}", failed)
    run(program, "--fail", status=1)
    wrong = run(tidewheel, "run", library, "-Dparallelism.defualt=2", status=2)
    expect("parallelism.default" in wrong.stderr, "the message does not name the nearest key", wrong)
    wrong = run(tidewheel, "run", program, status=1)
    expect("not a library of Tidewheel" in wrong.stderr, "a program is taken for a library", wrong)

    exported = run("nm", "--dynamic", "--defined-only", "--format=posix", library).stdout.split("\n")
    names = {line.split()[0] for line in exported if line}
    if names != {"tidewheel_plugin_main"}:
        sys.exit(f"the library exports more than its entry point: {sorted(names)[:20]}")


def check_plugin(scratch, prefix, package):
    """The example connector, built outside of the tree, is found beside the installed program."""
    project, binary = scratch / "connector", scratch / "connector_build"
    shutil.copytree(HERE.parents[1] / "examples" / "connector", project)
    run("cmake", "-S", project, "-B", binary, "-G", "Ninja", f"-DTidewheel_DIR={package}")
    run("cmake", "--build", binary, "--target", "spool")
    shutil.copytree(binary / "plugins", prefix / "plugins")
    table = (f"CREATE TABLE t (n BIGINT) WITH ('connector' = 'spool', 'path' = '{scratch}/spool', 'format' = 'json', "
             "'scan.mode' = 'bounded');")
    tidewheel = prefix / "bin" / "tidewheel"
    run(tidewheel, "sql", "-e", table + "INSERT INTO t VALUES (7), (8);")
    rows = run(tidewheel, "sql", "--csv", "-e", table + "SELECT n FROM t ORDER BY n;")
    expect(rows.stdout.split() == ["n", "7", "8"], "the plug-in does not read what it has written", rows)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    built = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        prefix, project = scratch / "prefix", scratch / "project"
        shutil.copytree(HERE / "words", project)
        run("cmake", "--install", built, "--prefix", prefix)
        (package,) = prefix.glob("lib*/**/cmake/Tidewheel")
        build(project, scratch / "build", package)
        check_forms(scratch / "build", prefix / "bin" / "tidewheel")
        run("ctest", "--test-dir", scratch / "build", "--no-tests=error")
        check_plugin(scratch, prefix, package)
        # A copied example builds too, here from the build tree.
        shutil.copytree(HERE.parents[1] / "examples" / "wordcount", scratch / "wordcount")
        run("cmake", "-S", scratch / "wordcount", "-B", scratch / "from_build_tree", "-G", "Ninja", f"-DTidewheel_DIR={built}")
        run("cmake", "--build", scratch / "from_build_tree", "--target", "wordcount_plugin")
    print("the package works, installed and from the build tree")


if __name__ == "__main__":
    main()
