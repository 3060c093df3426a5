#!/usr/bin/env python3
"""Makes the tar of a build, unpacks it elsewhere, and uses every connector and format of the build there, with none of
this machine's variables and nothing of the build's folder.

  check_tar.py BUILD_DIRECTORY

Needs the program, and the plug-ins that the build has, to be built."""
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
KAFKA = "'connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'localhost:1', 'scan.startup.mode' = 'earliest-offset'"
MESSAGE = "'protobuf.schema' = 'syntax = \"proto3\"; message Row { string n = 1; }', 'protobuf.message-class-name' = 'Row'"
REGISTRY = "'{}.url' = 'http://localhost:1'"

# Formats of messages, of which a plan is made: there is no broker to read them from.
MESSAGES = {"protobuf": MESSAGE, "avro-confluent": REGISTRY, "json-registry": REGISTRY, "protobuf-confluent": REGISTRY}
# What is asked of a connector, and what has to be in the answer.
CONNECTORS = {
    "blackhole": ("CREATE TABLE t (n STRING) WITH ('connector' = 'blackhole'); INSERT INTO t VALUES ('a');", ""),
    "datagen": ("CREATE TABLE t (n INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3'); SELECT COUNT(*) FROM t;", "3"),
    "filesystem": ("CREATE TABLE t (n STRING) WITH ('connector' = 'filesystem', 'path' = '{folder}/csv', 'format' = 'csv'); "
                   "SELECT n FROM t;", "row 1"),
    "kafka": (f"CREATE TABLE t (n STRING) WITH ({KAFKA}, 'format' = 'json'); EXPLAIN SELECT * FROM t;", "TableScan"),
    "nexmark": ("CREATE TABLE t (event_type INT) WITH ('connector' = 'nexmark', 'events.num' = '7'); SELECT COUNT(*) FROM t;", "7"),
    "print": ("CREATE TABLE t (n STRING) WITH ('connector' = 'print'); INSERT INTO t VALUES ('shown');", "shown"),
    "socket": ("CREATE TABLE t (n STRING) WITH ('connector' = 'socket', 'hostname' = 'localhost', 'port' = '1', 'format' = 'raw'); "
               "EXPLAIN SELECT * FROM t;", "TableScan"),
    "stdin": ("CREATE TABLE t (n STRING) WITH ('connector' = 'stdin', 'format' = 'raw'); SELECT n FROM t;", "typed"),
    "stdout": ("CREATE TABLE t (n STRING) WITH ('connector' = 'stdout', 'format' = 'json'); INSERT INTO t VALUES ('shown');", "shown"),
    "upsert-kafka": ("CREATE TABLE t (k STRING, n STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', "
                     "'topic' = 't', 'properties.bootstrap.servers' = 'localhost:1', 'key.format' = 'raw', "
                     "'value.format' = 'json'); EXPLAIN SELECT * FROM t;", "TableScan"),
}


class Program:
    def __init__(self, path, environment):
        self.path, self.environment = path, environment

    def sql(self, text, status=0, form="--csv"):
        done = subprocess.run([str(self.path), "sql", form, "-e", text], capture_output=True, text=True, input="typed\n",
                              timeout=300, check=False, env=self.environment, cwd="/")
        if done.returncode != status:
            sys.exit(f"{text}\nstatus {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        return done.stdout + (done.stderr if status else "")

    def available(self, options):
        """What the program names when it is asked for a connector, or a format, that it does not have."""
        said = self.sql(f"CREATE TABLE t (n STRING) WITH ({options}); SELECT * FROM t;", status=1)
        return set(re.search(r"available are: ([a-z, -]+)", said).group(1).split(", "))

    def connectors(self):
        return self.available("'connector' = 'none'")

    def formats(self):
        return self.available("'connector' = 'filesystem', 'path' = '/none', 'format' = 'none'")


def check_format(program, name, folder):
    if name in MESSAGES:
        options = MESSAGES[name].replace("{}", name)
        plan = program.sql(f"CREATE TABLE t (n STRING) WITH ({KAFKA}, 'format' = '{name}', {options}); EXPLAIN SELECT * FROM t;")
        return "TableScan" in plan
    table = f"CREATE TABLE t (n STRING) WITH ('connector' = 'filesystem', 'path' = '{folder}/{name}', 'format' = '{name}'); "
    program.sql(table + "INSERT INTO t VALUES ('row 1'), ('row 2');")
    return program.sql(table + "SELECT n FROM t ORDER BY n;").splitlines() == ["n", "row 1", "row 2"]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        made = subprocess.run([ROOT / "tools" / "package", build, scratch / "made"], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            sys.exit(f"{made.stdout}{made.stderr}")
        (tar,) = (scratch / "made").glob("*.tar.gz")
        with tarfile.open(tar) as packed:
            packed.extractall(scratch / "elsewhere")
        (home,) = (scratch / "elsewhere").iterdir()
        program = Program(home / "bin" / "tidewheel", {"PATH": "/usr/bin:/bin", "HOME": str(scratch)})
        # What the examples of the build add is not the program's.
        (scratch / "plugins").mkdir()
        for folder in (build / "plugins").glob("tidewheel_*"):
            if any(folder.glob("*.so")):
                (scratch / "plugins" / folder.name).symlink_to(folder)
        built = Program(build / "bin" / "tidewheel", {"TIDEWHEEL_PLUGINS_DIR": str(scratch / "plugins")})
        for what in ("connectors", "formats"):
            there, wanted = getattr(program, what)(), getattr(built, what)()
            if there != wanted:
                sys.exit(f"the {what} of the package are {sorted(there)}, those of the build {sorted(wanted)}")
        wrong = [f"format {name}" for name in sorted(program.formats()) if not check_format(program, name, scratch)]
        for name in sorted(program.connectors()):
            statements, answer = CONNECTORS[name]
            if answer not in program.sql(statements.replace("{folder}", str(scratch))):
                wrong.append(f"connector {name}")
        if wrong:
            sys.exit(f"of the package do not work: {', '.join(wrong)}")
        print(f"the package has {sorted(program.connectors())} and {sorted(program.formats())}, and all of them work")


if __name__ == "__main__":
    main()
