#!/usr/bin/env python3
"""Uses plug-ins as an installation does: one that is right, and all that can be wrong with others.

  plugins_check.py TIDEWHEEL SPOOL THROWING MISNAMED

The last three are libraries: that of examples/connector, and those beside this file."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PATIENCE_S = 60


class Failed(Exception):
    pass


class Installation:
    def __init__(self, program, scratch):
        self.program, self.scratch, self.plugins = program, scratch, scratch / "plugins"
        self.plugins.mkdir()

    def add(self, name, library, replacing=()):
        """Installs a library, with bytes of its note replaced by others of the same length."""
        data = pathlib.Path(library).read_bytes()
        for pattern, text in replacing:
            found = re.search(pattern, data)
            if found is None or len(found.group()) != len(text):
                raise Failed(f"{library} has no {pattern} to be replaced by {text}")
            data = data.replace(found.group(), text, 1)
        folder = self.plugins / name
        folder.mkdir()
        (folder / f"lib{name}.so").write_bytes(data)

    def sql(self, text, status=0, arguments=(), **environment):
        named = environment or {"TIDEWHEEL_PLUGINS_DIR": str(self.plugins)}
        done = subprocess.run([self.program, "sql", *arguments, "--csv", "-e", text], capture_output=True, text=True,
                              timeout=PATIENCE_S, stdin=subprocess.DEVNULL, env=dict(os.environ, **named), check=False)
        if done.returncode != status:
            raise Failed(f"status {done.returncode}, not {status}: {text}\n{done.stdout}{done.stderr}")
        return done

    def table(self, connector="spool", name="t"):
        return (f"CREATE TABLE {name} (n BIGINT, word STRING) WITH ('connector' = '{connector}', "
                f"'path' = '{self.scratch}/spool', 'format' = 'json', 'scan.mode' = 'bounded');")

    def refused(self, connector, *words):
        done = self.sql(self.table(connector) + "SELECT * FROM t;", status=1)
        for word in words:
            if word not in done.stderr:
                raise Failed(f"the refusal of '{connector}' does not say {word!r}:\n{done.stderr}")


def a_plugin_is_used_by_its_name(at, libraries):
    at.add("spool", libraries.spool)
    at.sql(at.table() + "INSERT INTO t VALUES (1, 'to'), (2, 'be');")
    rows = at.sql(at.table() + "SELECT word, n FROM t ORDER BY n;").stdout.split()
    if rows != ["word,n", "to,1", "be,2"]:
        raise Failed(f"what was written is not what is read: {rows}")


def the_folder_can_be_set(at, libraries):
    at.add("spool", libraries.spool)
    elsewhere = {"TIDEWHEEL_PLUGINS_DIR": "/nowhere"}
    at.sql(f"SET 'plugins.dir' = '{at.plugins}'; {at.table()} INSERT INTO t VALUES (1, 'to');", **elsewhere)
    at.sql(at.table() + "SELECT * FROM t;", arguments=[f"-Dplugins.dir={at.plugins}"], **elsewhere)
    at.sql(at.table() + "SELECT * FROM t;", status=1, **elsewhere)


def nothing_is_loaded_until_it_is_asked_for(at, libraries):
    at.add("spool", libraries.spool)
    loads = {"TIDEWHEEL_PLUGINS_DIR": str(at.plugins), "LD_DEBUG": "files"}
    if "libspool.so" in at.sql("SELECT 1;", **loads).stderr:
        raise Failed("the plug-in is loaded though nobody asks for it")
    if "libspool.so" not in at.sql(at.table() + "SELECT * FROM t;", **loads).stderr:
        raise Failed("LD_DEBUG does not tell what is loaded")


def wrong_options_are_judged_by_the_plugin(at, libraries):
    at.add("spool", libraries.spool)
    text = at.table().replace("'scan.mode' = 'bounded'", "'scan.mood' = 'bounded'")
    error = at.sql(text + "SELECT * FROM t;", status=1).stderr
    if "scan.mood" not in error or "scan.mode" not in error:
        raise Failed(f"the message does not name the option that is meant:\n{error}")


def what_does_not_fit_is_refused_and_the_rest_works(at, libraries):
    at.add("spool", libraries.spool)
    at.add("abi", libraries.spool, [(rb"abi=1\n", b"abi=9\n"), (rb"connectors=spool", b"connectors=wrong")])
    at.add("older", libraries.spool, [(rb"engine=[0-9a-f]{16}", b"engine=0123456789abcdef"), (rb"connectors=spool", b"connectors=older")])
    at.add("clang", libraries.spool, [(rb"build=g\+\+ \d\d", b"build=icc 99"), (rb"connectors=spool", b"connectors=other")])
    at.add("thrown", libraries.throwing)
    at.add("misnamed", libraries.misnamed)
    (at.plugins / "text").mkdir()
    (at.plugins / "text" / "libtext.so").write_text("this is no library")
    at.refused("wrong", "libabi.so", "ABI 9")
    at.refused("older", "libolder.so", "0123456789abcdef", "rebuild it")
    at.refused("other", "libclang.so", "icc 99")
    at.refused("throwing", "libthrown.so", "there is no licence")
    at.refused("promised", "libmisnamed.so", "blackhole", "promised")
    at.refused("spoool", "did you mean 'spool'?", "libtext.so", "libabi.so")
    at.sql(at.table() + "INSERT INTO t VALUES (1, 'to'); SELECT * FROM t;")


def a_name_that_two_have_is_refused(at, libraries):
    at.add("one", libraries.spool)
    at.add("two", libraries.spool)
    at.add("three", libraries.spool, [(rb"connectors=spool", b"connectors=kafka")])
    at.refused("spool", "libone.so", "libtwo.so")
    at.refused("kafka", "this program", "libthree.so")
    at.sql("CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1'); SELECT * FROM numbers;")


def doctor_tells_what_a_plugin_has(at, libraries):
    done = subprocess.run([at.program, "doctor", libraries.spool], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode != 0 or "connectors [spool]" not in done.stdout or "can be used here" not in done.stdout:
        raise Failed(f"{done.stdout}{done.stderr}")


CASES = [a_plugin_is_used_by_its_name, the_folder_can_be_set, nothing_is_loaded_until_it_is_asked_for,
         wrong_options_are_judged_by_the_plugin, what_does_not_fit_is_refused_and_the_rest_works,
         a_name_that_two_have_is_refused, doctor_tells_what_a_plugin_has]


class Libraries:
    def __init__(self, spool, throwing, misnamed):
        self.spool, self.throwing, self.misnamed = spool, throwing, misnamed


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    failures = 0
    for case in CASES:
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-plugins-"))
        try:
            case(Installation(sys.argv[1], scratch), Libraries(*sys.argv[2:]))
            print(f"ok      {case.__name__}")
        except Failed as failure:
            failures += 1
            print(f"FAILED  {case.__name__}: {failure}")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
