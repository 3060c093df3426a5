#!/usr/bin/env python3
"""Uses `tidewheel sql` as a person at a terminal does, and as a job that is killed.

  sql_check.py TIDEWHEEL [CASE...]

Each case is a function below; its name says what is shown."""
import collections
import errno
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

PATIENCE_S = 60
ENDLESS = "CREATE TABLE s (n BIGINT, k INT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.k.min' = '1', 'fields.k.max' = '3');"


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Program:
    """`tidewheel sql`, and a folder for the case at hand."""

    def __init__(self, path, scratch):
        self.path, self.scratch = path, scratch
        self.environment = dict(os.environ, HOME=str(scratch), TERM="xterm")

    def command(self, *arguments):
        return [str(self.path), "sql", *map(str, arguments)]

    def run(self, *arguments, status=0, text=None):
        result = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
                                input=text, stdin=None if text is not None else subprocess.DEVNULL, env=self.environment)
        expect(result.returncode == status, f"status {result.returncode}, not {status}\n{result.stdout}{result.stderr}")
        return result

    def shell(self, *arguments):
        return Shell(self.command(*arguments), self.environment)

    def file(self, name, text):
        path = self.scratch / name
        path.write_text(text, encoding="utf-8")
        return path


class Shell:
    """The shell at a terminal of its own."""

    def __init__(self, command, environment):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
        self.seen = ""
        self.wait_for("tidewheel> ")

    def read(self, seconds):
        ready, _, _ = select.select([self.terminal], [], [], seconds)
        if not ready:
            return ""
        try:
            got = os.read(self.terminal, 65536).decode("utf-8", "replace")
        except OSError as error:  # the other end is closed
            if error.errno != errno.EIO:
                raise
            got = ""
        self.seen += got
        return got

    def wait_for(self, words, since=0):
        """What was printed since then, up to these words."""
        end = time.monotonic() + PATIENCE_S
        while words not in self.seen[since:]:
            expect(time.monotonic() < end, f"{words!r} does not come; there is:\n{self.seen[-2000:]}")
            self.read(0.5)
        return self.seen[since:]

    def type(self, text):
        os.write(self.terminal, text.encode())

    def say(self, line, words="tidewheel> "):
        """Types a line, and gives what comes until these words do."""
        since = len(self.seen)
        self.type(line + "\n")
        self.wait_for("\n", since)
        return self.wait_for(words, since + len(line))

    def end(self, text="QUIT;\n"):
        self.type(text)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise Failed(f"the shell does not end; there is:\n{self.seen[-2000:]}")


# ---- The shell

def wait_for_jobs(shell, state, count=1):
    """Until so many jobs of the shell have come to this state."""
    end = time.monotonic() + PATIENCE_S
    while shell.say("SHOW JOBS;").count(state) < count:
        expect(time.monotonic() < end, f"not {count} jobs are {state}; there is:\n{shell.seen[-2000:]}")


def ctrl_c_ends_the_query_and_not_the_shell(program):
    shell = program.shell()
    shell.say(ENDLESS)
    for _ in range(3):
        since = len(shell.seen)
        shell.type("SELECT k, COUNT(*) AS c FROM s GROUP BY k;\n")
        shell.wait_for("3 rows", since)
        shell.type("\x03")
        shell.wait_for("stopping", since)
        shell.wait_for("tidewheel> ", since + 40)
    expect("7 │" in shell.say("SELECT 3 + 4 AS seven;"), "the shell does not go on")
    expect(shell.end() == 0, "the shell does not end well")


def a_table_without_end_is_drawn_in_its_place(program):
    shell = program.shell()
    shell.say(ENDLESS)
    since = len(shell.seen)
    shell.type("SELECT k, COUNT(*) AS c FROM s GROUP BY k;\n")
    shell.wait_for("A\x1b[J", since)  # up some lines, and clear what is below
    shell.type("\x03")
    shell.wait_for("tidewheel> ", since + 60)
    shell.end()


def ctrl_c_drops_what_is_typed(program):
    shell = program.shell()
    shell.type("SELECT 'never")
    shell.wait_for("never")
    since = len(shell.seen)
    shell.type("\x03")
    shell.wait_for("tidewheel> ", since)
    expect("2 │" in shell.say("SELECT 1 + 1 AS two;"), "what was dropped is still there")
    shell.end()


def ctrl_d_ends_the_shell(program):
    shell = program.shell()
    shell.say("SELECT 1;")
    time.sleep(0.2)  # the terminal has to be the editor's again, which takes the key for what it is
    expect(shell.end("\x04") == 0, "Ctrl-D does not end it")
    expect(program.shell().end("exit;\n") == 0, "EXIT does not end it")
    expect(program.shell().end("\\q\n") == 0, "\\q does not end it")


def statements_go_over_lines_and_end_with_a_semicolon(program):
    shell = program.shell()
    shell.say("SELECT 'a;", "-> ")
    expect("b" in shell.say("b' AS x;"), "a semicolon in quotes ends a statement")
    shell.say("CREATE TABLE p (a INT) WITH ('connector' = 'blackhole');")
    shell.say("BEGIN STATEMENT SET;", "-> ")
    shell.say("INSERT INTO p SELECT 1;", "-> ")
    expect("Job ID: " in shell.say("END;"), "no job was started")
    shell.say("BEGIN STATEMENT SET; INSERT INTO p SELECT CASE WHEN TRUE THEN 1 END;", "-> ")
    expect("Job ID: " in shell.say("END;"), "the END of a CASE ends a statement set")
    expect("line 1, column 8" in shell.say("SELECT nothing;"), "the place of an error is not shown")
    wait_for_jobs(shell, "FINISHED", 2)  # else the shell asks whether it may end
    shell.end()


def commands_begin_with_a_backslash(program):
    shell = program.shell()
    shell.say("CREATE TABLE things (a INT, b STRING) WITH ('connector' = 'blackhole');")
    expect("things" in shell.say("\\d"), "\\d does not list tables")
    expect("STRING" in shell.say("\\d things"), "\\d t does not show columns")
    expect("default_database" in shell.say("\\l"), "\\l does not list databases")
    shell.say("\\x")
    expect("-[ row 1 ]" in shell.say("SELECT 1 AS one, 'x' AS two;"), "\\x shows no rows by columns")
    shell.say("\\x")
    shell.say("\\timing")
    expect("Time: " in shell.say("SELECT 1;"), "\\timing tells no time")
    path = program.file("some.sql", "SELECT 40 + 2 AS answer;")
    expect("42" in shell.say(f"\\i {path}"), "\\i executes nothing")
    expect("there is no command \\nix" in shell.say("\\nix"), "an unknown command is taken")
    expect("SHOW JOBS" in shell.say("HELP;"), "HELP does not help")
    shell.end()


def tab_completes_words(program):
    shell = program.shell()
    shell.say("CREATE TABLE thingamajigs (gizmo INT) WITH ('connector' = 'blackhole');")
    for typed, shown in (("SELECT gizm\tFROM (SELECT 7 AS gizmo);", "7 │"), ("DESCRIBE thingam\t;", "gizmo"), ("SET 'table.exec.sink.not\t= 'DROP';", "OK"),
                         ("CREATE TABLE x (a INT) WITH ('conn\t= 'black\t);", "OK"), ("\\tim\t", "Timing is on"), ("explai\tSELECT 1;", "Abstract Syntax Tree")):
        expect(shown in shell.say(typed), f"{typed!r} is not completed: {shell.seen[-500:]}")
    shell.end()


def tab_knows_what_can_stand_where(program):
    shell = program.shell()
    shell.say("CREATE TABLE orders (orderer INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');")
    for typed, shown in (("SELECT COUNT(*) + 4 AS c FROM ord\t;", "7 │"), ("SELECT COUNT(o.) + 5 FROM orders AS o;\x01" + 15 * "\x06" + "\t", "8 │"), ("SELECT COUNT(orders.o\t) + 6 FROM orders;", "9 │"),
                         ("DESCRIBE o\t;", "orderer"), ("USE CATALOG d\t;", "OK"), ("SHOW TAB\t;", "orders")):
        expect(shown in shell.say(typed), f"{typed!r} is not completed: {shell.seen[-500:]}")
    shell.end()


def history_has_statements_as_they_were_typed(program):
    shell = program.shell()
    shell.say("SELECT 1 AS a, -- one", "-> ")
    shell.say("'x", "-> ")
    expect("x y" in shell.say("y' AS b;"), "a statement of several lines")
    os.kill(shell.pid, signal.SIGKILL)
    os.waitpid(shell.pid, 0)
    shell = program.shell()
    since = len(shell.seen)
    shell.type("\x1b[A")
    shell.wait_for("AS b;", since)
    expect("x y" in shell.say(""), "a statement of several lines is another one when it comes back")
    shell.end()


def shells_at_once_share_the_history(program):
    shells = [program.shell(), program.shell()]
    shells[0].say("SELECT 11;")
    shells[1].say("SELECT 22;")
    shells[0].say("SELECT 33;")
    for shell in shells:
        shell.end()
    shell = program.shell()
    since = len(shell.seen)
    for statement in ("33", "22", "11"):
        shell.type("\x1b[A")
        shell.wait_for(statement, since)
    shell.end()


def ctrl_c_ends_what_is_shown(program):
    shell = program.shell()
    since = len(shell.seen)
    shell.say("CREATE TABLE many (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '300000', 'rows-per-second' = '100000000');")
    shell.type("SELECT * FROM many;\n")
    shell.wait_for("─┐", since)
    shell.type("\x03")
    shell.wait_for("not all rows are shown", since)
    shell.wait_for("tidewheel> ", len(shell.seen) - 20)
    expect("2 │" in shell.say("SELECT 1 + 1 AS two;"), "the shell does not go on")
    shell.end()


def wide_characters_are_counted_as_such(program):
    shown = program.run("--table", "-e", "SELECT '日本' AS a, 1 AS `é` UNION ALL SELECT 'abc', 2").stdout
    expect("│ 日本 │ 1 │" in shown and "│ abc  │ 2 │" in shown, shown)


def inserts_go_on_beside_other_statements(program):
    shell = program.shell()
    shell.say(ENDLESS)
    shell.say("CREATE TABLE nowhere (k INT) WITH ('connector' = 'blackhole');")
    job = re.search(r"Job ID: ([0-9a-f]{32})", shell.say("INSERT INTO nowhere SELECT k FROM s;")).group(1)
    wait_for_jobs(shell, "RUNNING")
    expect(job in shell.say("SHOW JOBS;"), "the job is not listed")
    expect("rows in" in shell.say(f"DESCRIBE JOB '{job}';"), "the job is not described")
    expect("They end with the shell" in shell.say("QUIT;", "[y/N] "), "QUIT does not ask")
    shell.say("n")
    expect("Stopped" in shell.say(f"STOP JOB '{job}';"), "the job does not stop")
    expect("CANCELED" in shell.say("SHOW JOBS;") or "CANCELLED" in shell.seen, "the job is not said to be cancelled")
    expect("has ended already" in shell.say(f"STOP JOB '{job}';"), "a job is stopped twice")
    expect("has submitted no job" in shell.say("STOP JOB 'x';"), "a job that is not there is stopped")
    expect(shell.end() == 0, "the shell does not end")


def a_running_query_is_analyzed_when_it_is_interrupted(program):
    shell = program.shell()
    shell.say(ENDLESS)
    since = len(shell.seen)
    shell.type("EXPLAIN ANALYZE SELECT k, COUNT(*) FROM s GROUP BY k;\n")
    time.sleep(1.5)
    shell.type("\x03")
    shown = shell.wait_for("FINISHED after", since)
    expect(re.search(r"GroupAggregate\(.*in=\[[1-9]\d*\], out=\[[1-9]\d*\], busy=\[\d+ ms\], memory=\[", shown), f"figures are missing: {shown}")
    shell.end()


# ---- EXPLAIN

TABLES = """
CREATE TABLE e (k INT, v BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen', 'number-of-rows' = '1000', 'rows-per-second' = '1000000', 'fields.k.min' = '1',
  'fields.k.max' = '9');
CREATE TABLE o (k INT, c BIGINT, PRIMARY KEY (c) NOT ENFORCED) WITH ('connector' = 'print');
"""


def explain_has_the_sections_of_a_plan(program):
    plain = program.run("-e", TABLES + "EXPLAIN SELECT k, COUNT(*) FROM e WHERE v > 3 GROUP BY k").stdout
    for section in ("Abstract Syntax Tree", "Optimized Physical Plan", "Optimized Execution Plan", "State"):
        expect(f"== {section} ==\n" in plain, f"there is no section {section}: {plain}")
    expect("GroupAggregate by (k): COUNT(*), for ever" in plain, f"the state is not told: {plain}")
    with_ttl = program.run("-e", TABLES + "SET 'table.exec.state.ttl' = '5 s'; EXPLAIN SELECT k, COUNT(*) FROM e GROUP BY k").stdout
    expect("for 5000 ms after its last use" in with_ttl, f"the time to live is not told: {with_ttl}")
    cost = program.run("-e", TABLES + "EXPLAIN ESTIMATED_COST, CHANGELOG_MODE SELECT k, COUNT(*) FROM e WHERE v = 3 GROUP BY k").stdout
    expect("changelogMode=[I,UB,UA,D], rows=[15], state=[" in cost, f"no estimates: {cost}")
    expect("TableScan(" in cost and "rows=[150]" in cost, f"the rows of the table are not known: {cost}")
    whole = program.run("-e", TABLES + "EXPLAIN JSON_EXECUTION_PLAN SELECT 1").stdout
    json.loads(whole[whole.index("== Physical Execution Plan ==") + 30:])
    advice = program.run("-D", "table.exec.fold-batches.enabled=false", "-e",
                         "CREATE TABLE s (k INT) WITH ('connector' = 'datagen'); EXPLAIN PLAN_ADVICE SELECT k, COUNT(*) FROM s GROUP BY k").stdout
    expect("table.exec.state.ttl" in advice and "mini-batch" in advice, f"no advice: {advice}")
    created = program.run("-e", TABLES + "EXPLAIN CREATE TABLE n WITH ('connector' = 'blackhole') AS SELECT k FROM e").stdout
    expect("Sink(table=[default_catalog.default_database.n])" in created, created)


def analyze_tells_what_operators_did(program):
    query = "SELECT k, COUNT(*) AS c FROM e WHERE k < 5 GROUP BY k"
    shown = program.run("-e", TABLES + "EXPLAIN ANALYZE " + query).stdout
    expect(re.search(r"TableScan\(.*out=\[1000\], busy=\[\d+ ms\]", shown), f"the rows of the source are missing: {shown}")
    expect(re.search(r"GroupAggregate\(.*in=\[\d+\], out=\[\d+\], busy=\[\d+ ms\], memory=\[[1-9]", shown), f"the state is missing: {shown}")
    expect("FINISHED after" in shown, shown)
    figures = json.loads(program.run("-e", TABLES + "EXPLAIN ANALYZE, JSON_EXECUTION_PLAN " + query).stdout)
    expect(figures["state"] == "FINISHED" and figures["plans"][0]["plan"]["rows_out"] > 0, figures)
    inserted = program.run("-e", TABLES + "EXPLAIN ANALYZE INSERT INTO o " + query).stdout
    expect("+I[" in inserted and "Sink(table=" in inserted, inserted)


def rows_of_one_primary_key_are_given_in_order(program):
    data = program.file("data.json", "".join(json.dumps({"k": k}) + "\n" for k in "abaccabbc"))
    script = f"""
CREATE TABLE d (k STRING) WITH ('connector' = 'filesystem', 'path' = '{data}', 'format' = 'json');
CREATE TABLE o (k STRING, c BIGINT, PRIMARY KEY (c) NOT ENFORCED) WITH ('connector' = 'print');
SET 'table.exec.fold-batches.enabled' = 'false';
"""
    insert = "INSERT INTO o SELECT k, COUNT(*) FROM d GROUP BY k"
    expect("orderBy=[newest first], range=[1..1]" in program.run("-e", script + "EXPLAIN " + insert).stdout, "rows are not kept by the table's key")
    table = {}
    for line in program.run("-e", script + insert).stdout.splitlines():
        kind, k, c = re.fullmatch(r"(..)\[(\w), (\d)\]", line).groups()
        if kind in ("+I", "+U"):
            table[c] = k
        elif kind == "-D":
            expect(table.pop(c, None) is not None, f"a row is deleted that is not there: {line}")
    expect(sorted(table) == ["3"] and table["3"] in "abc", f"the table at the end is {table}")
    program.run("-e", script + "SET 'table.exec.sink.upsert-materialize' = 'NONE';" + insert)


# ---- Scripts

def what_is_wrong_is_named(program):
    for arguments, status, words in ((["--nonsense"], 2, "--nonsense"), (["-f", "/not/there.sql"], 1, "/not/there.sql"),
                                     (["-D", "nonsense"], 2, "-D takes key=value"), (["-D", "paralelism.default=2"], 2, "parallelism.default"),
                                     (["-e", "SELEC 1"], 1, "SELECT"), (["-e", "SET pipeline.name = 'a'"], 1, "the key of an option, as in 'key' = 'value'"),
                                     (["-e", "CREATE TABLE t (a INT) WITH ('connector' = 'print'); SELECT * FROM t"], 1, "line 1, column 68: the connector 'print' can't read a table"), (["-e", "SELECT * FROM 'no.csv'"], 1, "no.csv"),
                                     (["--csv", "--json", "-e", "SELECT 1"], 2, "--json"), (["--catalog", "/proc/none", "-e", "SELECT 1"], 1, "/proc/none"),
                                     (["--resume", "-e", "CREATE TABLE b (a INT) WITH ('connector' = 'blackhole'); INSERT INTO b SELECT 1"], 2, "checkpoint")):
        result = program.run(*arguments, status=status)
        expect(words in result.stderr, f"{arguments}: {words!r} is not in {result.stderr}")


def the_statement_that_fails_is_named(program):
    path = program.file("job.sql", "\ufeffSELECT 1 AS a;\n\nSELECT 1 / z\nFROM (VALUES (0)) AS t(z);")
    message = program.run("-f", path, status=1).stderr
    expect(f"{path}: the statement at line 3: " in message and "zero" in message, message)
    message = program.run("-e", "CREATE TABLE t (a INT) WITH ('connector' = 'datagen'); CREATE VIEW v AS SELECT a FROM t; DROP TABLE t; SELECT * FROM v", status=1).stderr
    expect("in the view default_catalog.default_database.v: line 2" in message, message)


def parts_that_are_named_twice_at_each_level_are_planned_once(program):
    table = "CREATE TABLE t (k BIGINT, v BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '10');"
    joins = ["c0 AS (SELECT k, SUM(v) AS v FROM t GROUP BY k)"]
    unions = ["c0 AS (SELECT k, v FROM t)"]
    views = [table, "CREATE VIEW c0 AS SELECT k, SUM(v) AS v FROM t GROUP BY k;"]
    condition = "SELECT MAX(v) AS v FROM t"
    missing = "SELECT v FROM t"
    for level in range(1, 31):
        join = f"SELECT a.k, a.v + b.v AS v FROM c{level - 1} a JOIN c{level - 1} b ON a.k = b.k"
        joins.append(f"c{level} AS ({join})")
        views.append(f"CREATE VIEW c{level} AS {join};")
        unions.append(f"c{level} AS (SELECT k, v + 1 AS v FROM c{level - 1} WHERE v > 1 UNION ALL SELECT k, v FROM c{level - 1} WHERE v <= 1)")
        condition = f"SELECT MAX(v) AS v FROM t HAVING MAX(v) > ({condition})"
        missing = f"SELECT v FROM t WHERE v NOT IN ({missing})"
    for name, before, query in (
        ("joins", table, f"WITH {', '.join(joins)} SELECT * FROM c30"),
        ("unions", table, f"WITH {', '.join(unions)} SELECT * FROM c30"),
        ("views", " ".join(views), "SELECT * FROM c30"),
        ("conditions", table, condition),
        ("NOT IN", table, missing),
    ):
        shown = program.run(text=f"{before} EXPLAIN {query};").stdout
        expect(len(shown) < 250_000, f"{name}: the plan has {len(shown)} bytes")


def a_list_of_many_values_is_planned_in_a_moment(program):
    values = ",".join(map(str, range(30_000)))
    shown = program.run("--csv", text=f"SELECT COUNT(*) AS n FROM (VALUES (1), (29999), (30000)) AS t(a) WHERE a IN ({values});")
    expect(shown.stdout == "n\n2\n", shown.stdout)


def nested_values_are_json(program):
    shown = program.run("--json", "-e", "SELECT ARRAY[1, 2] AS a, CAST(ROW(1, 'x') AS ROW<i INT, s STRING>) AS r, MAP['k', CAST(NULL AS INT)] AS m, CAST(NULL AS ARRAY<INT>) AS n").stdout
    expect(json.loads(shown) == {"a": [1, 2], "r": {"i": 1, "s": "x"}, "m": {"k": None}, "n": None}, shown)


def odd_files_are_read_or_refused(program):
    def select(name, content, status=0):
        path = program.scratch / name
        path.write_bytes(content)
        return program.run("--csv", "-e", f"SELECT * FROM '{path}'", status=status)

    expect(select("header.csv", b"a,b\n").stdout == "a,b\n", "a file with a header only")
    expect(select("bom.csv", b"\xef\xbb\xbfa,b\n1,x\n").stdout == "a,b\n1,x\n", "a byte order mark")
    expect(select("quoted.csv", b'a,b\n1,"x\ny"\n2,"z"\n').stdout == 'a,b\n1,"x\ny"\n2,z\n', "line ends in quotes")
    expect(select("crlf.csv", b"a,b\r\n1,x\r\n").stdout == "a,b\n1,x\n", "line ends of two bytes")
    expect(select("blanks.csv", b"a, b\n1, 2\n").stdout == "a,b\n1,2\n", "blanks around names and numbers")
    expect(select("mixed.csv", b"a\n1\nx\n2.5\n").stdout == "a\n1\nx\n2.5\n", "values of several types")
    expect(select("lines.jsonl", b'{"a":1}\n\n{"a":2.5,"b":"x"}\n').stdout == "a,b\n1.0,\n2.5,x\n", "fields that come and go")
    for name, content in (("empty.csv", b""), ("empty.json", b""), ("array.json", b"[1,2]\n"), ("broken.json", b'{"a":\n')):
        message = select(name, content, status=1).stderr
        expect(name in message, f"the file is not named: {message}")
    ragged = select("ragged.csv", b"a,b\n1,2\n3\n", status=1).stderr
    expect("ragged.csv" in ragged and "line 3" in ragged, f"the line is not named: {ragged}")


def columns_are_called_as_the_query_says(program):
    rows = "(VALUES (1, 2), (1, 3)) v(a, b)"
    numbered = f"SELECT a, b, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS rn FROM {rows}"
    for query, header in ((f"SELECT * FROM ({numbered}) WHERE rn <= 2", "a,b,rn"), (f"SELECT b AS c, a AS d FROM {rows}", "c,d"),
                          (f"SELECT * FROM (SELECT a x, b y FROM {rows}) t1 JOIN (SELECT a z FROM {rows}) t2 ON x = z", "x,y,z")):
        first = program.run("--csv", "-e", query).stdout.splitlines()[0]
        expect(first == header, f"{query}: the header is {first}")


def settings_are_read_in_any_case(program):
    for setting in ("'execution.runtime-mode' = 'streaming'", "'execution.checkpointing.mode' = 'at_least_once'",
                    "'execution.checkpointing.externalized-checkpoint-retention' = 'retain_on_cancellation'", "'consistency' = 'EVENTUAL'", "'sql-client.execution.result-mode' = 'TABLE'",
                    "'table.local-time-zone' = 'GMT+08:00'"):
        program.run("-e", f"SET {setting}; SELECT 1")


def a_key_that_is_not_there_can_not_be_reset(program):
    for statement in ("SET 'paralelism.default' = '2'", "RESET 'paralelism.default'"):
        message = program.run("-e", statement, status=1).stderr
        expect("did you mean 'parallelism.default'" in message, message)


def keys_of_all_kinds_can_be_reset(program):
    program.run("-e", "RESET 'pipeline.name'; RESET 'state.backend.rocksdb.localdir'; RESET 'parallelism.default'; RESET 'table.exec.state.ttl'; SELECT 1")


def a_job_that_ends_while_its_limit_is_reached_has_not_failed(program):
    source = ("CREATE TABLE s (id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', "
              "'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '20');")
    query = "SELECT id FROM TABLE(CUMULATE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)) LIMIT 1;"
    shown = program.run("--csv", "-e", source + query * 100).stdout
    expect(shown.split() == ["id", "1"] * 100, shown)


def reset_goes_back_to_what_the_command_line_says(program):
    shown = program.run("-Dparallelism.default=2", "-e", "SET 'parallelism.default' = '3'; SET 'table.dml-sync' = 'false'; SET 'table.exec.state.ttl' = '5 s'; RESET; SET").stdout
    expect(shown == "key,value\nparallelism.default,2\ntable.dml-sync,true\ntable.exec.fold-batches.enabled,true\n", shown)
    shown = program.run("-Dparallelism.default=2", "-e", "SET 'parallelism.default' = '3'; SET 'table.dml-sync' = 'false'; RESET 'parallelism.default'; RESET 'table.dml-sync'; SET").stdout
    expect(shown == "key,value\nparallelism.default,2\ntable.dml-sync,true\ntable.exec.fold-batches.enabled,true\n", shown)


def a_file_is_described_like_a_table(program):
    path = program.scratch / "flights.csv"
    path.write_bytes(b"carrier,delay\nUA,3\nAA,2.5\n")
    shown = program.run("--csv", "-e", f"DESCRIBE '{path}'").stdout
    expect(shown.splitlines()[1:] == ['carrier,STRING,TRUE,"","",""', 'delay,DOUBLE,TRUE,"","",""'], f"columns are not those of the file: {shown}")
    extended = program.run("--csv", "-e", f"DESCRIBE EXTENDED '{path}'").stdout
    expect("# kind,file" in extended and "# format,csv" in extended, f"there are no options: {extended}")
    # What SHOW CREATE TABLE says makes a table.
    statement = program.run("--csv", "-e", f"SHOW CREATE TABLE '{path}'").stdout
    statement = statement.removeprefix("result\n")
    rows = program.run("--csv", "-e", statement + "; SELECT * FROM flights").stdout
    expect(rows.endswith("carrier,delay\nUA,3.0\nAA,2.5\n"), f"other rows: {rows} of {statement}")
    expect("no.csv" in program.run("-e", "DESCRIBE 'no.csv'", status=1).stderr, "a file that is not there is not named")


def tables_are_there_in_the_next_process(program):
    catalog = program.scratch / "catalog"
    program.run("--catalog", catalog, "-e", "CREATE TABLE t (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = '3'); CREATE VIEW v AS SELECT COUNT(*) AS c FROM t")
    expect(program.run("--catalog", catalog, "-e", "SELECT c FROM v").stdout == "c\n3\n", "the view is not there")
    writers = [subprocess.Popen(program.command("--catalog", catalog, "-e", "; ".join(f"CREATE TABLE w{w}_{i} (a INT) WITH ('connector' = 'blackhole')" for i in range(20))),
                                env=program.environment) for w in range(3)]
    expect(all(writer.wait(PATIENCE_S) == 0 for writer in writers), "two that create at once get in each other's way")
    tables = program.run("--catalog", catalog, "--csv", "-e", "SHOW TABLES LIKE 'w%'").stdout.split()
    expect(len(tables) == 2 + 60, f"tables are lost: {tables}")
    (catalog / "default_database" / "t.sql").write_text("CREATE TABLE", encoding="utf-8")
    message = program.run("--catalog", catalog, "-e", "SELECT * FROM t", status=1).stderr
    expect("damaged" in message and "t.sql" in message, message)
    program.run("--catalog", catalog, "-e", "SELECT 1; INSERT INTO w0_1 SELECT 1; DROP TABLE t")


def rows_of(folder, column):
    counted = collections.Counter()
    for path in pathlib.Path(folder).rglob("*.json"):
        if path.name.startswith("."):
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            counted[json.loads(line)[column]] += 1
    return counted


def a_script_that_is_killed_writes_each_row_once(program):
    rows = 3000
    out = program.scratch / "out"
    script = program.file("job.sql", f"""
CREATE TABLE numbers (n BIGINT, k AS n / 10) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}');
CREATE TABLE few (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}/few', 'format' = 'json');
CREATE TABLE all_rows (n BIGINT, k BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}/all', 'format' = 'json');
CREATE TABLE sums (k BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}/sums', 'format' = 'json');
INSERT INTO few VALUES (1), (2), (3);
EXECUTE STATEMENT SET BEGIN
  INSERT INTO all_rows SELECT n, k FROM numbers;
  INSERT INTO sums SELECT k, n FROM (SELECT n, k, ROW_NUMBER() OVER (PARTITION BY k ORDER BY PROCTIME()) AS r FROM numbers) WHERE r = 1;
END;
INSERT INTO few VALUES (4);
""")
    command = program.command("-f", script, "--checkpoint-interval", "100ms", "--checkpoint-dir", program.scratch / "checkpoints", "--resume", "-p", "2")
    chance = random.Random(7)
    kills = 0
    end = time.monotonic() + PATIENCE_S
    while True:
        expect(time.monotonic() < end, "it does not come to its end")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=program.environment)
        try:
            _, errors = process.communicate(timeout=chance.uniform(0.3, 1.2) if kills < 8 else PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        expect(process.returncode == 0, f"status {process.returncode}: {errors}")
        break
    expect(kills >= 3, f"killed {kills} times only")
    every = rows_of(out / "all", "n")
    expect(every == collections.Counter(range(1, rows + 1)), f"{sum(every.values())} rows of {rows}, {len(every)} different ones; {kills} kills")
    first = rows_of(out / "sums", "k")
    expect(first == collections.Counter(range(0, rows // 10 + 1)), f"first rows: {sum(first.values())}, {len(first)} different ones")
    expect(rows_of(out / "few", "n") == collections.Counter([1, 2, 3, 4]), f"what had ended is done again: {rows_of(out / 'few', 'n')}")


def a_job_that_is_stopped_with_a_savepoint_goes_on_from_it(program):
    rows = 2000
    out = program.scratch / "out"
    tables = f"""
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}');
CREATE TABLE all_rows (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{out}', 'format' = 'json');
"""
    path = program.file("tables.sql", tables)
    shell = program.shell("-i", path, "-Dexecution.checkpointing.savepoint-dir=" + str(program.scratch / "savepoints"))
    job = re.search(r"Job ID: ([0-9a-f]{32})", shell.say("INSERT INTO all_rows SELECT n FROM numbers;")).group(1)
    time.sleep(0.7)
    answer = shell.say(f"STOP JOB '{job}' WITH SAVEPOINT;")
    savepoint = re.search(r"(/\S*savepoint-[0-9a-f-]+)", answer)
    expect(savepoint is not None, f"no savepoint is named: {answer}")
    shell.end()
    some = rows_of(out, "n")
    expect(0 < len(some) < rows, f"it was stopped with {len(some)} rows")
    program.run("-i", path, "-s", savepoint.group(1), "-e", "INSERT INTO all_rows SELECT n FROM numbers")
    every = rows_of(out, "n")
    expect(every == collections.Counter(range(1, rows + 1)), f"{sum(every.values())} rows of {rows}, {len(every)} different ones")


def a_plan_goes_on_with_its_state_whatever_the_session_has(program):
    rows = 2000
    plan = program.scratch / "plan.json"
    tables = program.file("tables.sql", f"""
CREATE TABLE numbers (n BIGINT, pt AS PROCTIME()) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}');
CREATE TABLE all_rows (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{program.scratch}/all', 'format' = 'json');
CREATE TABLE first_rows (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{program.scratch}/first', 'format' = 'json');
CREATE VIEW firsts AS SELECT n FROM (SELECT n, ROW_NUMBER() OVER (PARTITION BY MOD(n, 10) ORDER BY pt) AS r FROM numbers) WHERE r = 1;
""")
    program.run("-i", tables, "-e", f"COMPILE PLAN '{plan}' FOR STATEMENT SET BEGIN INSERT INTO all_rows SELECT n FROM numbers; INSERT INTO first_rows SELECT n FROM firsts; END")
    # As if a version had written it that makes other ids.
    text = plan.read_text(encoding="utf-8")
    plan.write_text(text.replace('"uid": "sql-', '"uid": "of-old-'), encoding="utf-8")
    shell = program.shell("-Dexecution.checkpointing.savepoint-dir=" + str(program.scratch / "savepoints"))
    job = re.search(r"Job ID: ([0-9a-f]{32})", shell.say(f"EXECUTE PLAN '{plan}';")).group(1)
    time.sleep(0.7)
    answer = shell.say(f"STOP JOB '{job}' WITH SAVEPOINT;")
    savepoint = re.search(r"(/\S*savepoint-[0-9a-f-]+)", answer)
    expect(savepoint is not None, f"no savepoint is named: {answer}")
    shell.end()
    some = rows_of(program.scratch / "all", "n")
    expect(0 < len(some) < rows, f"it was stopped with {len(some)} rows")
    program.run("-s", savepoint.group(1), "-e", f"SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'; CREATE TABLE numbers (n INT) WITH ('connector' = 'blackhole'); EXECUTE PLAN '{plan}'")
    every = rows_of(program.scratch / "all", "n")
    expect(every == collections.Counter(range(1, rows + 1)), f"{sum(every.values())} rows of {rows}, {len(every)} different ones")
    firsts = rows_of(program.scratch / "first", "n")
    expect(firsts == collections.Counter(range(1, 11)), f"the first rows are {firsts}")
    # Another graph has no place for the state.
    plan.write_text(text.replace('"name": "Calc', '"name": "Filter', 1), encoding="utf-8")
    refused = program.run("-e", f"EXECUTE PLAN '{plan}'", status=1)
    expect("can't be executed with its state" in refused.stderr and "was 'Filter" in refused.stderr, refused.stderr)


def a_materialized_table_is_suspended_and_resumed(program):
    rows = 3000
    shell = program.shell("-Dexecution.checkpointing.savepoint-dir=" + str(program.scratch / "savepoints"))
    shell.say(f"CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{rows}');")
    shell.say(f"CREATE MATERIALIZED TABLE m WITH ('connector' = 'filesystem', 'path' = '{program.scratch}/m', 'format' = 'json') FRESHNESS = INTERVAL '1' MINUTE AS SELECT n FROM numbers;")
    time.sleep(0.5)
    expect("OK" in shell.say("ALTER MATERIALIZED TABLE m SUSPEND;"), "it is not suspended")
    expect("suspended already" in shell.say("ALTER MATERIALIZED TABLE m SUSPEND;"), "it is suspended twice")
    some = rows_of(program.scratch / "m", "n")
    expect(0 < len(some) < rows, f"it was suspended with {len(some)} rows")
    shell.say("ALTER MATERIALIZED TABLE m RESUME;")
    expect("not suspended" in shell.say("ALTER MATERIALIZED TABLE m RESUME;"), "it is resumed twice")
    wait_for_jobs(shell, "FINISHED", 2)
    every = rows_of(program.scratch / "m", "n")
    expect(every == collections.Counter(range(1, rows + 1)), f"{sum(every.values())} rows of {rows}, {len(every)} different ones")
    shell.say("DROP MATERIALIZED TABLE m;")
    expect("m" not in shell.say("SHOW MATERIALIZED TABLES;").replace("MATERIALIZED", "").split(), "it is there still")
    shell.end()


def quit_ends_a_script(program):
    result = program.run("-e", "SELECT 1 AS a; QUIT; SELECT 2 AS b;", "-e", "SELECT 3 AS c")
    expect(result.stdout == "a\n1\n", result.stdout)
    expect("QUIT ends the shell" in program.run("-e", "HELP;").stdout, "there is no help")
    result = program.run(text="CLEAR; SELECT 1 AS a; EXIT; SELECT 2 AS b;")
    expect(result.stdout == "a\n1\n", result.stdout)


LINES = ["1,a", "x,b", "3", "4,d", "6,f", '5,"e']


def check_letters(program, options, run):
    """What is there of LINES when `run` has executed a script whose table `lines` has `options`."""
    out = program.scratch / options.split("'")[3]
    run(f"""
CREATE TABLE letters (record STRING, error STRING, source STRING, `position` BIGINT, `time` TIMESTAMP_LTZ(3)) WITH ('connector' = 'filesystem', 'path' = '{out}/letters', 'format' = 'json');
CREATE TABLE good (n BIGINT, s STRING) WITH ('connector' = 'filesystem', 'path' = '{out}/good', 'format' = 'json');
CREATE TABLE lines (n BIGINT NOT NULL, s STRING) WITH ({options}, 'format' = 'csv', 'scan.bad-records' = 'dead-letter', 'scan.dead-letter.table' = 'letters');
INSERT INTO good SELECT n, s FROM lines;""")
    good = rows_of(out / "good", "n")
    expect(good == collections.Counter([1, 4, 6]), f"rows: {good}")
    letters = [json.loads(line) for path in (out / "letters").glob("*.json") for line in path.read_text(encoding="utf-8").splitlines()]
    letters.sort(key=lambda letter: letter["position"])
    expect([letter["record"] for letter in letters] == ["x,b", "3", '5,"e'], f"letters: {letters}")
    expect([letter["position"] for letter in letters] == [2, 3, 6], f"letters: {letters}")
    expect(all(letter["error"] and letter["source"] and letter["time"] for letter in letters), f"letters: {letters}")


def bad_lines_of_stdin_become_letters(program):
    text = "".join(line + "\n" for line in LINES)
    check_letters(program, "'connector' = 'stdin'", lambda script: program.run("-e", script, text=text))


def bad_lines_of_a_socket_become_letters(program):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)

        def give():
            connection, _ = server.accept()
            with connection:
                for line in LINES:
                    connection.sendall(line.encode() + b"\n")
                    time.sleep(0.01)

        giver = threading.Thread(target=give)
        giver.start()
        port = server.getsockname()[1]
        check_letters(program, f"'connector' = 'socket', 'hostname' = '127.0.0.1', 'port' = '{port}'", lambda script: program.run("-e", script))
        giver.join()


def a_table_without_end_is_refused_in_batch_mode(program):
    batch = "SET 'execution.runtime-mode' = 'BATCH';"
    for query in ("SELECT k, COUNT(*) FROM s GROUP BY k", "INSERT INTO o SELECT k, COUNT(*) FROM s GROUP BY k"):
        result = program.run("-e", f"{ENDLESS} {batch} CREATE TABLE o (k INT, n BIGINT) WITH ('connector' = 'blackhole'); {query};", status=1)
        expect("execution.runtime-mode is BATCH" in result.stderr and "s' does not end" in result.stderr, result.stderr)
    bounded = ENDLESS.replace("'datagen',", "'datagen', 'number-of-rows' = '100',")
    result = program.run("--csv", "-e", f"{bounded} {batch} SELECT COUNT(*) AS n FROM s;")
    expect(result.stdout.split()[-1].endswith("100"), result.stdout)


def a_full_disk_is_named(program):
    full = "/dev/full"
    if not os.path.exists(full):
        return
    for statement in ("CREATE TABLE o (a INT) WITH ('connector' = 'stdout', 'format' = 'csv'); INSERT INTO o SELECT 1", "SELECT 1 AS a"):
        with open(full, "wb") as nowhere:
            process = subprocess.run(program.command("-e", statement), stdout=nowhere, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, env=program.environment,
                                     check=False)
        expect(process.returncode == 1 and "No space left" in process.stderr, f"{statement}: status {process.returncode}: {process.stderr}")


def files_that_are_closed_are_named(program):
    def run(redirection, *arguments):
        words = " ".join(f"'{word}'" for word in program.command(*arguments))
        return subprocess.run(["/bin/sh", "-c", f"{words} {redirection}"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=PATIENCE_S,
                              env=program.environment, check=False)

    result = run(">&-", "-e", "SELECT 1 AS a")
    expect(result.returncode == 1 and "standard output can't be written" in result.stderr, f"status {result.returncode}: {result.stderr}")
    result = run("<&-")
    expect(result.returncode == 1 and "standard input can't be read" in result.stderr, f"status {result.returncode}: {result.stderr}")
    expect(run("<&- 2>&- >/dev/null", "-e", "SELECT 1 AS a").returncode == 0, "it does not do without what it does not use")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    cases = [f for name, f in globals().items() if callable(f) and getattr(f, "__code__", None) and f.__code__.co_varnames[:f.__code__.co_argcount] == ("program",)]
    chosen = [f for f in cases if len(sys.argv) == 2 or f.__name__ in sys.argv[2:]]
    failures = 0
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="tidewheel_sql_") as scratch:
            begun = time.monotonic()
            try:
                case(Program(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(scratch)))
                print(f"ok {case.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
            except (Failed, subprocess.TimeoutExpired) as failure:
                failures += 1
                print(f"FAILED {case.__name__}: {failure}", flush=True)
    sys.exit(1 if failures > 0 else 0)


if __name__ == "__main__":
    main()
