#!/usr/bin/env python3
"""Compares random queries with DuckDB: `slt` runs them over tables that rows are added to and taken
back from, and what there is at the end has to be what DuckDB answers over the rows that stay.

    python3 -m venv v && v/bin/pip install duckdb
    v/bin/python tests/random_queries/run.py build/release/bin/slt --seed 1 --queries 1000
    v/bin/python tests/random_queries/run.py build/release/bin/slt --seed 1 -- --parallelism 3

    v/bin/python tests/random_queries/run.py build/release/bin/slt --seed 1 --typed

With `--typed` queries have values of many types, windows, OVER by time and nested types instead
(typed.py). What stands behind `--` is handed to slt. Queries that fail stay in the script it names, as records
for tests/slt. Left out is where Flink's rules are others than DuckDB's: division, averages of whole
numbers, aggregates of nothing that are no query's value.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile

import duckdb

import typed

TABLES = {"t": [("a", "INT"), ("b", "INT"), ("s", "STRING")],
          "u": [("a", "INT"), ("c", "INT"), ("s", "STRING")],
          "w": [("d", "INT"), ("e", "INT")]}
WORDS = ["x", "y", "z"]


class Scope:
    """The columns that can be named, by type: each as (name, type)."""

    def __init__(self, columns, outer=None):
        self.columns = columns
        self.outer = outer

    def pick(self, rng, kind, outer_chance=0.0):
        if self.outer is not None and rng.random() < outer_chance:
            name = self.outer.pick(rng, kind, 0.2)
            if name is not None:
                return name
        names = [name for name, type_ in self.columns if type_ == kind]
        return rng.choice(names) if names else None


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.aliases = 0

    def chance(self, p):
        return self.rng.random() < p

    def alias(self):
        self.aliases += 1
        return f"r{self.aliases}"

    # ---- Values

    def number(self, scope, depth):
        roll = self.rng.random()
        if depth > 0 and roll < 0.12:
            return f"({self.number(scope, depth - 1)} {self.rng.choice('+-*')} " \
                   f"{self.number(scope, depth - 1)})"
        if depth > 0 and roll < 0.17:
            return f"CASE WHEN {self.condition(scope, depth - 1)} THEN " \
                   f"{self.number(scope, depth - 1)} ELSE {self.number(scope, depth - 1)} END"
        if depth > 0 and roll < 0.21:
            return f"COALESCE({self.number(scope, depth - 1)}, {self.rng.randint(0, 5)})"
        if depth > 1 and roll < 0.30:
            return self.scalar_query(scope, depth - 1)
        if depth > 0 and roll < 0.36:
            return self.rng.choice([f"ABS({self.number(scope, depth - 1)})",
                                    f"NULLIF({self.number(scope, depth - 1)}, {self.rng.randint(0, 5)})",
                                    f"MOD({self.number(scope, depth - 1)}, {self.rng.randint(2, 4)})",
                                    f"CHAR_LENGTH({self.text(scope, depth - 1)})"])
        name = scope.pick(self.rng, "INT", 0.25)
        if name is not None and roll < 0.9:
            return name
        return str(self.rng.randint(0, 6))

    def text(self, scope, depth):
        roll = self.rng.random()
        if depth > 0 and roll < 0.3:
            inner = self.text(scope, depth - 1)
            return self.rng.choice([f"UPPER({inner})", f"({inner} || {self.text(scope, 0)})",
                                    f"COALESCE({inner}, '{self.rng.choice(WORDS)}')",
                                    f"CASE WHEN {self.condition(scope, 0)} THEN {inner} ELSE "
                                    f"{self.text(scope, 0)} END",
                                    f"CAST({self.number(scope, 0)} AS STRING)"])
        name = scope.pick(self.rng, "STRING", 0.2)
        if name is not None and self.chance(0.8):
            return name
        return f"'{self.rng.choice(WORDS)}'"

    def scalar_query(self, scope, depth):
        select, inner = self.from_clause(scope, depth)
        where = f" WHERE {self.condition(inner, depth)}" if self.chance(0.8) else ""
        # An aggregate of outer columns alone would be one of the query around.
        of = Scope(inner.columns)
        value = self.rng.choice([f"MIN({self.number(of, 0)})", f"MAX({self.number(of, 0)})",
                                 f"SUM({self.number(of, 0)})", "COUNT(*)",
                                 f"COUNT(DISTINCT {self.number(of, 0)})"])
        if self.chance(0.15):
            value += f" + {self.rng.randint(1, 3)}"
        return f"(SELECT {value} FROM {select}{where})"

    # ---- Conditions

    def condition(self, scope, depth):
        roll = self.rng.random()
        if depth > 0 and roll < 0.2:
            word = self.rng.choice([" AND ", " OR "])
            return f"({self.condition(scope, depth - 1)}{word}{self.condition(scope, depth - 1)})"
        if depth > 0 and roll < 0.25:
            return f"NOT ({self.condition(scope, depth - 1)})"
        if depth > 1 and roll < 0.45:
            return self.query_condition(scope, depth - 1)
        if depth > 0 and roll < 0.48:
            low, high = sorted(self.rng.randint(0, 5) for _ in range(2))
            no = self.rng.choice(["", "NOT "])
            return self.rng.choice([f"{self.number(scope, 0)} {no}BETWEEN {low} AND {high}",
                                    f"{self.text(scope, 1)} {no}LIKE '{self.rng.choice('xyz%_')}%'"])
        if roll < 0.55:
            test = self.rng.choice(["IS NULL", "IS NOT NULL"])
            return f"{self.number(scope, 0)} {test}"
        if roll < 0.65:
            return f"{self.text(scope, 0)} {self.rng.choice(['=', '<>', '<'])} {self.text(scope, 0)}"
        if roll < 0.7:
            items = ", ".join(str(self.rng.randint(0, 5)) for _ in range(3))
            return f"{self.number(scope, 0)} {self.rng.choice(['IN', 'NOT IN'])} ({items})"
        op = self.rng.choice(["=", "=", "=", "<>", "<", ">=", "IS NOT DISTINCT FROM"])
        return f"{self.number(scope, depth - 1)} {op} {self.number(scope, depth - 1)}"

    def query_condition(self, scope, depth):
        roll = self.rng.random()
        if roll < 0.4:
            select, inner = self.from_clause(scope, depth)
            no = self.rng.choice(["", "NOT "])
            return f"{no}EXISTS (SELECT 1 FROM {select} WHERE {self.condition(inner, depth)})"
        if roll < 0.8:
            no = self.rng.choice(["", "NOT "])
            return f"{self.number(scope, 0)} {no}IN ({self.column_query(scope, depth)})"
        op = self.rng.choice(["=", "<>", "<", ">"])
        word = self.rng.choice(["ANY", "ALL"])
        return f"{self.number(scope, 0)} {op} {word} ({self.column_query(scope, depth)})"

    def column_query(self, scope, depth):
        select, inner = self.from_clause(scope, depth)
        where = f" WHERE {self.condition(inner, depth)}" if self.chance(0.6) else ""
        if self.chance(0.15):
            group = inner.pick(self.rng, "INT")
            return f"SELECT {group} FROM {select}{where} GROUP BY {group} HAVING COUNT(*) > 1"
        distinct = "DISTINCT " if self.chance(0.15) else ""
        return f"SELECT {distinct}{self.number(inner, 0)} FROM {select}{where}"

    # ---- FROM

    def relation(self, outer, depth):
        """Text and columns of one table or derived table."""
        alias = self.alias()
        if depth > 1 and self.chance(0.1):
            text, columns = self.windowed(depth - 1)
            return f"({text}) AS {alias}", [(f"{alias}.{name}", type_) for name, type_ in columns]
        if depth > 1 and self.chance(0.2):
            text, columns = self.plain_query(None, depth - 1)
            return f"({text}) AS {alias}", [(f"{alias}.{name}", type_) for name, type_ in columns]
        table = self.rng.choice(list(TABLES))
        return f"{table} AS {alias}", [(f"{alias}.{name}", type_) for name, type_ in TABLES[table]]

    def from_clause(self, outer, depth):
        text, columns = self.relation(outer, depth)
        commas = None  # whether all is joined by commas
        common_key = None
        for _ in range(self.rng.choice([0, 0, 1, 1, 2, 3]) if depth > 0 else 0):
            right, added = self.relation(outer, depth)
            scope = Scope(columns + added)
            left_key, right_key = (Scope(one).pick(self.rng, "INT") for one in (columns, added))
            # Often one key for all, which one operator can join.
            if common_key and self.chance(0.5):
                left_key = common_key
            common_key = self.rng.choice([left_key, right_key])
            kind = self.rng.choice(["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", ","])
            # What stands before a comma can't be named in ON behind it.
            if kind == "," and commas is False:
                kind = "CROSS JOIN"
            elif commas:
                kind = ","
            commas = kind == ","
            if kind in (",", "CROSS JOIN"):
                text = f"{text}{'' if kind == ',' else ' '}{kind} {right}"
            else:
                more = ""
                if kind != "FULL JOIN" and self.chance(0.3):
                    more = f" AND {self.condition(scope, 0)}"
                text = f"{text} {kind} {right} ON {left_key} = {right_key}{more}"
            columns = columns + added
        return text, Scope(columns, outer)

    # ---- Queries: text, and the columns it gives

    def plain_query(self, outer, depth):
        roll = self.rng.random()
        if depth > 1 and roll < 0.15:
            return self.set_query(outer, depth - 1)
        select, scope = self.from_clause(outer, depth)
        where = f" WHERE {self.condition(scope, depth)}" if self.chance(0.7) else ""
        if roll < 0.45:
            return self.grouped(select, scope, where, depth)
        items = []
        for i in range(self.rng.randint(1, 3)):
            text = self.chance(0.25)
            value = self.text(scope, 0) if text else self.number(scope, depth)
            items.append((value, f"c{i}", "STRING" if text else "INT"))
        distinct = "DISTINCT " if self.chance(0.2) else ""
        listed = ", ".join(f"{value} AS {name}" for value, name, _ in items)
        return (f"SELECT {distinct}{listed} FROM {select}{where}",
                [(name, type_) for _, name, type_ in items])

    def windowed(self, depth):
        """OVER, in an order of all columns, so that only equal rows may change places; or the first
        rows of each part."""
        text, columns = self.plain_query(None, depth)
        names = [name for name, _ in columns]
        numbers = [name for name, type_ in columns if type_ == "INT"] or ["1"]
        orders = [f"{name}{self.rng.choice([' NULLS FIRST', ' DESC NULLS LAST'])}"
                  for name in self.rng.sample(names, len(names))]
        part = f"PARTITION BY {self.rng.choice(names)} " if self.chance(0.7) else ""
        over = f"{part}ORDER BY {', '.join(orders)}"
        if self.chance(0.4):
            call = self.rng.choice(["ROW_NUMBER", "RANK", "DENSE_RANK"])
            limit = self.rng.choice(["rn = 1", "rn <= 2", "rn <= 3", "rn BETWEEN 2 AND 3"])
            kept = self.rng.choice([", rn", ""])
            inner = f"SELECT *, {call}() OVER ({over}) AS rn FROM ({text}) AS q"
            return (f"SELECT {', '.join(names)}{kept} FROM ({inner}) AS p WHERE {limit}",
                    columns + [("rn", "INT")] * bool(kept))
        value = self.rng.choice(numbers)
        if self.chance(0.4):
            # Neighbours are the same ones for equal rows only where the whole row is shown.
            call = self.rng.choice([f"LAG({value})", f"LEAD({value})", f"LAG({value}, 2, 7)",
                                    "ROW_NUMBER()", "RANK()", "DENSE_RANK()"])
            frame = ""
        else:
            call = self.rng.choice([f"SUM({value})", f"COUNT({value})", f"MIN({value})",
                                    f"MAX({value})", "COUNT(*)"])
            frame = self.rng.choice([
                " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"])
        return (f"SELECT {', '.join(names)}, {call} OVER ({over}{frame}) AS w FROM ({text}) AS q",
                columns + [("w", "INT")])

    def grouped(self, select, scope, where, depth):
        keys = [key for key in {scope.pick(self.rng, "INT"), scope.pick(self.rng, "STRING")} if key]
        keys.sort()
        types = dict(scope.columns)
        inner = Scope([(key, types[key]) for key in keys], scope.outer)
        items = [(key, types[key]) for key in keys]
        for _ in range(self.rng.randint(1, 2)):
            call = self.aggregate(scope, depth)
            items.append((call, "INT"))
        if self.chance(0.2) and depth > 1:
            items.append((self.scalar_query(inner, depth - 1), "INT"))
        having = ""
        if self.chance(0.3):
            having = f" HAVING {self.aggregate(scope, 0)} {self.rng.choice(['>', '=', '<='])} " \
                     f"{self.number(Scope([('1', 'INT')]), 0)}"
            if depth > 1 and self.chance(0.4):
                having += f" AND {self.query_condition(inner, depth - 1)}"
        form = ", ".join(keys)
        if self.chance(0.25):
            form = self.rng.choice([f"ROLLUP ({form})", f"CUBE ({form})",
                                    f"GROUPING SETS (({form}), ({keys[0]}))"])
            if having or any("SELECT" in item for item, _ in items):
                form = f"GROUPING SETS (({', '.join(keys)}), ({keys[0]}))"
            if "GROUPING SETS" not in form:
                # A total of nothing is a row in DuckDB only.
                form = f"GROUPING SETS (({', '.join(keys)}), ({keys[-1]}))"
        named = [(value, f"c{i}", type_) for i, (value, type_) in enumerate(items)]
        listed = ", ".join(f"{value} AS {name}" for value, name, _ in named)
        return (f"SELECT {listed} FROM {select}{where} GROUP BY {form}{having}",
                [(name, type_) for _, name, type_ in named])

    def aggregate(self, scope, depth):
        scope = Scope(scope.columns)
        value = self.number(scope, 1 if depth > 1 else 0)
        call = self.rng.choice(["COUNT(*)", f"SUM({value})", f"MIN({value})", f"MAX({value})",
                                f"COUNT({value})", f"COUNT(DISTINCT {value})"])
        if self.chance(0.15):
            call += f" FILTER (WHERE {self.condition(scope, 0)})"
        return call

    def set_query(self, outer, depth):
        count = self.rng.randint(1, 2)
        parts = []
        for _ in range(self.rng.choice([2, 2, 3])):
            select, scope = self.from_clause(outer, depth)
            where = f" WHERE {self.condition(scope, depth)}" if self.chance(0.6) else ""
            listed = ", ".join(f"{self.number(scope, 0)} AS c{i}" for i in range(count))
            parts.append(f"SELECT {listed} FROM {select}{where}")
        text = parts[0]
        for part in parts[1:]:
            word = self.rng.choice(["UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT",
                                    "EXCEPT ALL"])
            text = f"({text}) {word} ({part})" if self.chance(0.5) else f"{text} {word} {part}"
        return text, [(f"c{i}", "INT") for i in range(count)]

    def query(self):
        depth = self.rng.choice([2, 2, 3])
        text, columns = self.windowed(depth) if self.chance(0.15) else self.plain_query(None, depth)
        if self.chance(0.15):
            # All columns are sorted by, so that which rows are first is certain.
            order = ", ".join(f"{name}{self.rng.choice([' NULLS FIRST', ' DESC NULLS LAST'])}"
                              for name, _ in columns)
            text = f"SELECT * FROM ({text}) AS q ORDER BY {order} LIMIT {self.rng.randint(1, 4)}"
        return text


# ---- Rows

def random_value(rng, kind):
    if rng.random() < 0.15:
        return None
    return rng.randint(0, 5) if kind == "INT" else rng.choice(WORDS)


def random_feeds(rng):
    """Lines for slt, and the rows that stay."""
    lines = []
    stays = {table: [] for table in TABLES}
    for _ in range(rng.randint(6, 16)):
        table = rng.choice(list(TABLES))
        rows = stays[table]
        if rows and rng.random() < 0.25:
            row = rows.pop(rng.randrange(len(rows)))
            lines.append(f"retract {table} {fed(row)}")
            continue
        row = tuple(random_value(rng, kind) for _, kind in TABLES[table])
        rows.append(row)
        lines.append(f"feed {table} {fed(row)}")
    return lines, stays


def fed(row):
    return ",".join("NULL" if value is None else str(value) for value in row)


def shown(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value)


def make_script(rng, count):
    connection = duckdb.connect()
    text = "statement ok\nSET 'table.optimizer.multi-join.enabled' = 'true'\n\n"
    for table, columns in TABLES.items():
        listed = ", ".join(f"{name} {type_}" for name, type_ in columns)
        text += f"statement ok\nCREATE TABLE {table} ({listed}) WITH ('connector' = 'script')\n\n"
    made = 0
    while made < count:
        feeds, stays = random_feeds(rng)
        for table, columns in TABLES.items():
            listed = ", ".join(f"{name} {type_}" for name, type_ in columns)
            connection.execute(f"CREATE OR REPLACE TABLE {table} ({listed})")
            if stays[table]:
                places = ", ".join("?" * len(columns))
                connection.executemany(f"INSERT INTO {table} VALUES ({places})", stays[table])
        for _ in range(4):
            query = Generator(rng).query()
            try:
                rows = connection.execute(query).fetchall()
            except duckdb.Error:
                continue  # too much for DuckDB, which is no matter here
            if len(rows) > 200:
                continue
            made += 1
            expected = "".join(" ".join(shown(value) for value in row) + "\n" for row in rows)
            text += "query\n" + query + "\n" + "\n".join(feeds) + "\n----\n" + expected + "\n"
    return text


def make_typed_script(rng, count):
    connection = duckdb.connect()
    text = ""
    for table in ("v", "w"):
        listed = ", ".join(f"{name} {type_}" for name, type_ in typed.COLUMNS)
        text += f"statement ok\nCREATE TABLE {table} ({listed}, WATERMARK FOR ts AS ts - INTERVAL '2' HOUR) " \
                f"WITH ('connector' = 'script')\n\n"
        connection.execute(f"CREATE TABLE {table} ({listed})")
    made = 0
    while made < count:
        feeds = typed.random_feeds(rng, connection)
        for _ in range(8):
            query = typed.Queries(rng).query()
            try:
                rows = connection.execute(typed.in_dialect(query, True)).fetchall()
            except duckdb.Error:
                continue
            made += 1
            expected = "".join(" ".join(typed.shown(value) for value in row) + "\n" for row in rows)
            fed = "".join(line + "\n" for line in feeds)
            text += f"query\n{typed.in_dialect(query, False)}\n{fed}----\n{expected}\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slt", help="the program that runs .slt files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--typed", action="store_true", help="values of many types, windows")
    parser.add_argument("--keep", type=pathlib.Path, help="where the script is written to")
    own, _, of_slt = " ".join(["", *sys.argv[1:], ""]).partition(" -- ")
    options = parser.parse_args(own.split())
    make = make_typed_script if options.typed else make_script
    script = make(random.Random(options.seed), options.queries)
    path = options.keep or pathlib.Path(tempfile.gettempdir()) / f"random_{options.seed}.slt"
    path.write_text(script)
    print(f"seed {options.seed}: {options.queries} queries in {path}", flush=True)
    return subprocess.run([options.slt, *of_slt.split(), path], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
