"""Random queries over values of many types, windows, OVER by time and nested types, as `run.py` makes
them. Where the two dialects differ a query has both: `{{Flink's text||DuckDB's}}`, also nested.
"""

import datetime
import decimal
import re

COLUMNS = [("k", "INT"), ("n", "BIGINT"), ("s", "STRING"), ("p", "DECIMAL(10, 2)"),
           ("q", "DECIMAL(20, 5)"), ("x", "DOUBLE"), ("d", "DATE"), ("o", "BOOLEAN"),
           ("ts", "TIMESTAMP(3)")]
WORDS = ["", "a", "ab", "Abc", "b,c", "a b", "  pad", "x%y", "a_b", "äö", "€uro", "zz"]
BEGIN = datetime.datetime(2024, 2, 28, 23, 0, 0)

_INNERMOST = re.compile(r"\{\{((?:(?!\{\{|\}\}|\|\|).)*)\|\|((?:(?!\{\{|\}\}).)*)\}\}", re.S)


def in_dialect(text, of_duckdb):
    """One of the two texts of all `{{a||b}}`. A `||` that joins strings is written `^^`."""
    while True:
        text, count = _INNERMOST.subn(lambda match: match.group(2 if of_duckdb else 1), text)
        if count == 0:
            return text.replace("^^", "||")


def both(flink, duckdb):
    return "{{" + flink + "||" + duckdb + "}}"


class Values:
    """Expressions by kind: int, text, decimal, double, date, time, truth, over columns of `alias`."""

    def __init__(self, rng, alias="v"):
        self.rng = rng
        self.alias = alias

    def chance(self, p):
        return self.rng.random() < p

    def column(self, name):
        return f"{self.alias}.{name}"

    def literal(self, kind):
        rng = self.rng
        if kind == "int":
            return str(rng.randint(-3, 12))
        if kind == "text":
            return "'" + rng.choice(WORDS) + "'"
        if kind == "decimal":
            return rng.choice(["0.5", "1.25", "10.0", "3.14159", "0.01", "7.0"])
        if kind == "double":
            return rng.choice(["0.5e0", "2e0", "1e3", "0.25e0"])
        if kind == "date":
            return f"DATE '2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}'"
        if kind == "time":
            return f"TIMESTAMP '2024-02-{rng.randint(27, 29)} {rng.randint(0, 23):02}:30:00.000'"
        return rng.choice(["TRUE", "FALSE"])

    def value(self, kind, depth):
        rng = self.rng
        if depth > 0 and self.chance(0.12):
            return (f"CASE WHEN {self.value('truth', depth - 1)} THEN {self.value(kind, depth - 1)} "
                    f"ELSE {self.value(kind, depth - 1)} END")
        if depth > 0 and self.chance(0.06):
            return f"COALESCE({self.value(kind, depth - 1)}, {self.value(kind, 0)})"
        if depth > 0 and self.chance(0.04) and kind not in ("truth",):
            return f"NULLIF({self.value(kind, depth - 1)}, {self.value(kind, 0)})"
        if depth > 0 and self.chance(0.7):
            return getattr(self, kind)(depth - 1)
        if self.chance(0.2):
            return self.literal(kind)
        return self.column({"int": rng.choice("kn"), "text": "s", "decimal": rng.choice("pq"),
                            "double": "x", "date": "d", "time": "ts", "truth": "o"}[kind])

    def int(self, depth):
        rng = self.rng
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        unit = rng.choice(["YEAR", "QUARTER", "MONTH", "DAY", "DOY", "HOUR", "MINUTE", "SECOND", "WEEK"])
        if unit in ("HOUR", "MINUTE", "SECOND"):
            of_time = of("time")
        else:
            of_time = of(rng.choice(["date", "time"]))
        step = rng.choice(["SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR"])
        a, b = of("time"), of("time")
        text = of("text")
        return rng.choice([
            f"({of('int')} {rng.choice('+-*')} {of('int')})",
            f"ABS({of('int')})",
            f"MOD({of('int')}, {rng.choice([2, 3, -5, 7])})",
            f"({of('int')} % {rng.randint(2, 9)})",
            f"CHAR_LENGTH({text})",
            f"POSITION('{rng.choice(['a', 'b', ' ', 'bc'])}' IN {text})",
            f"SIGN({of('int')})",
            f"EXTRACT({unit} FROM {of_time})",
            both(f"TIMESTAMPDIFF({step}, {a}, {b})", f"datesub('{step.lower()}', {a}, {b})"),
            f"CASE WHEN {of('truth')} THEN 1 ELSE 0 END",
            f"CAST(CAST({of('int')} AS STRING) AS BIGINT)",
        ])

    def text(self, depth):
        rng = self.rng
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        one = of("text")
        part = rng.randint(1, 4)
        format_flink, format_duckdb = rng.choice([
            ("yyyy-MM-dd HH:mm", "%Y-%m-%d %H:%M"), ("yyyyMMdd", "%Y%m%d"), ("HH:mm:ss.SSS", "%H:%M:%S.%g"),
            ("MM/dd/yy", "%m/%d/%y"), ("EEE MMM", "%a %b")])
        time = of("time")
        return rng.choice([
            f"UPPER({one})", f"LOWER({one})", f"({one} ^^ {of('text')})",
            f"TRIM({one})", both(f"TRIM(LEADING 'a' FROM {one})", f"ltrim({one}, 'a')"),
            both(f"TRIM(BOTH 'b' FROM {one})", f"trim({one}, 'b')"),
            f"SUBSTRING({one}, {part})", f"SUBSTRING({one}, {part}, {rng.randint(0, 3)})",
            f"SUBSTRING({one} FROM {part} FOR {rng.randint(1, 3)})",
            f"REPLACE({one}, '{rng.choice(['a', 'b', ' '])}', '{rng.choice(['', 'XY'])}')",
            f"REVERSE({one})", f"LPAD({one}, {rng.randint(1, 6)}, 'xy')",
            f"RPAD({one}, {rng.randint(1, 6)}, '*')", f"REPEAT({one}, {rng.randint(0, 3)})",
            f"LEFT({one}, {part})", f"RIGHT({one}, {part})",
            f"MD5({one})", f"TRANSLATE({one}, 'ab ', 'xy')",
            both(f"REGEXP_REPLACE({one}, '[ab]+', '-')", f"regexp_replace({one}, '[ab]+', '-', 'g')"),
            f"CAST({of('int')} AS STRING)", f"CAST({of('date')} AS STRING)",
            f"CAST({of('decimal')} AS STRING)",
            both(f"DATE_FORMAT({time}, '{format_flink}')", f"strftime({time}, '{format_duckdb}')"),
            f"CONCAT_WS('-', {one}, {of('text')})",
            f"CASE {of('int')} WHEN 1 THEN {one} WHEN 2 THEN 'two' END",
        ])

    def decimal(self, depth):
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        rng = self.rng
        return rng.choice([
            f"({of('decimal')} {rng.choice('+-')} {of('decimal')})",
            # Products of more than 38 digits have other scales.
            f"({of('decimal')} * {self.literal('decimal')})",
            f"({of('decimal')} {rng.choice('+-')} {self.column('k')})",
            f"ABS({of('decimal')})", f"(- {of('decimal')})",
            f"CAST({of('decimal')} AS DECIMAL(18, {rng.randint(0, 4)}))",
            f"CAST({of('int')} AS DECIMAL(20, 2))",
            f"CAST(CAST({of('decimal')} AS STRING) AS DECIMAL(22, 4))",
        ])

    def double(self, depth):
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        rng = self.rng
        return rng.choice([f"({of('double')} {rng.choice('+-*')} {of('double')})",
                           f"CAST({of('int')} AS DOUBLE)", f"FLOOR({of('double')})",
                           f"CEIL({of('double')})", f"ABS({of('double')})",
                           f"(- {of('double')})", f"CAST({of('decimal')} AS DOUBLE)"])

    def date(self, depth):
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        rng = self.rng
        date = of("date")
        unit = rng.choice(["YEAR", "QUARTER", "MONTH"])
        number = rng.randint(1, 40)
        step = rng.choice(["DAY", "MONTH", "YEAR"])
        return rng.choice([
            f"CAST({of('time')} AS DATE)",
            both(f"FLOOR({date} TO {unit})", f"CAST(date_trunc('{unit.lower()}', {date}) AS DATE)"),
            both(f"({date} + INTERVAL '{number}' {step})",
                 f"CAST({date} + INTERVAL '{number}' {step} AS DATE)"),
            both(f"({date} - INTERVAL '{number}' {step})",
                 f"CAST({date} - INTERVAL '{number}' {step} AS DATE)"),
            both(f"TIMESTAMPADD({step}, {number}, {date})",
                 f"CAST({date} + INTERVAL '{number}' {step} AS DATE)"),
        ])

    def time(self, depth):
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        rng = self.rng
        time = of("time")
        unit = rng.choice(["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"])
        number = rng.randint(1, 70)
        step = rng.choice(["SECOND", "MINUTE", "HOUR", "DAY", "MONTH", "YEAR"])
        return rng.choice([
            both(f"FLOOR({time} TO {unit})",
                 f"CAST(date_trunc('{unit.lower()}', {time}) AS TIMESTAMP)"),
            f"({time} {rng.choice('+-')} INTERVAL '{number}' {step})",
            f"CAST({of('date')} AS TIMESTAMP(3))",
            both(f"TIMESTAMPADD({step}, {number}, {time})", f"({time} + INTERVAL '{number}' {step})"),
        ])

    def truth(self, depth):
        of = lambda kind: self.value(kind, depth)  # noqa: E731
        rng = self.rng
        kind = rng.choice(["int", "text", "decimal", "date", "time", "double"])
        comparison = rng.choice(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM",
                                 "IS NOT DISTINCT FROM"])
        pattern = rng.choice(["a%", "%b", "%a%", "_b%", "__", "%", "", "A%c", "%ä%"])
        return rng.choice([
            f"({of(kind)} {comparison} {of(kind)})",
            f"({of(kind)} {comparison} {of(kind)})",
            f"({of('truth')} {rng.choice(['AND', 'OR'])} {of('truth')})",
            f"(NOT {of('truth')})",
            f"({of(kind)} IS {rng.choice(['', 'NOT '])}NULL)",
            f"({of('text')} {rng.choice(['', 'NOT '])}LIKE '{pattern}')",
            f"({of(kind)} {rng.choice(['', 'NOT '])}BETWEEN {of(kind)} AND {of(kind)})",
            f"({of(kind)} {rng.choice(['', 'NOT '])}IN ({self.literal(kind)}, {self.literal(kind)}))",
            f"({of('truth')} IS {rng.choice(['TRUE', 'FALSE', 'NOT TRUE', 'NOT FALSE'])})",
        ])


KINDS = ["int", "text", "decimal", "date", "time", "truth", "double"]


class Queries:
    def __init__(self, rng):
        self.rng = rng

    def chance(self, p):
        return self.rng.random() < p

    def query(self):
        return self.rng.choice([self.projected, self.projected, self.grouped, self.windowed,
                                self.windowed, self.window_join, self.window_top, self.over,
                                self.interval_join, self.nested, self.unnested, self.grouped])()

    # ---- Values of many types

    def projected(self):
        values = Values(self.rng)
        items = ", ".join(f"{values.value(self.rng.choice(KINDS), 3)} AS c{i}"
                          for i in range(self.rng.randint(1, 4)))
        where = f" WHERE {values.value('truth', 2)}" if self.chance(0.4) else ""
        return f"SELECT {items} FROM v{where}"

    def aggregates(self, values, count):
        rng = self.rng
        items = []
        for _ in range(count):
            kind = rng.choice(KINDS[:5])
            value = values.value(kind, 2)
            number = values.value(rng.choice(["int", "decimal"]), 1)
            call = rng.choice([
                f"MIN({value})", f"MAX({value})", f"COUNT({value})", f"COUNT(DISTINCT {value})",
                f"SUM(CAST({number} AS DECIMAL(20, 3)))",
                "COUNT(*)", f"SUM({values.column('n')})", f"SUM(DISTINCT {values.column('p')})",
                f"SUM({values.column('q')})"])
            if self.chance(0.2):
                call += f" FILTER (WHERE {values.value('truth', 1)})"
            items.append(call)
        return items

    def grouped(self):
        values = Values(self.rng)
        key = values.value(self.rng.choice(KINDS), 2)
        where = f" WHERE {values.value('truth', 2)}" if self.chance(0.4) else ""
        calls = self.aggregates(values, self.rng.randint(1, 3))
        items = ", ".join(f"{call} AS c{i}" for i, call in enumerate(calls))
        having = f" HAVING COUNT(*) > {self.rng.randint(0, 2)}" if self.chance(0.3) else ""
        return f"SELECT g, {items} FROM (SELECT *, {key} AS g FROM v{where}) AS v GROUP BY g{having}"

    # ---- Windows

    def window_table(self, table):
        """TABLE(TUMBLE(..)) and its kin, as a query with window_start and window_end."""
        rng = self.rng
        kind = rng.choice(["TUMBLE", "HOP", "CUMULATE", "SESSION"])
        size = rng.choice([10, 15, 60, 3600])
        flink = f"TABLE {table}, DESCRIPTOR(ts), "
        day = "TIMESTAMP '2024-01-01 00:00:00'"
        if kind == "TUMBLE":
            offset = rng.choice([0, 0, 3, 7])
            args = f"INTERVAL '{size}' SECOND({len(str(size))})"
            shift = f", INTERVAL '{offset}' SECOND" if offset else ""
            start = f"time_bucket(INTERVAL '{size} seconds', ts, {day} + INTERVAL '{offset} seconds')"
            duckdb = (f"(SELECT *, {start} AS window_start, {start} + INTERVAL '{size} seconds' AS "
                      f"window_end FROM {table} WHERE ts IS NOT NULL)")
            return both(f"TABLE(TUMBLE({flink}{args}{shift}))", duckdb)
        if kind == "HOP":
            slide = rng.choice([5, 15, 30])
            times = rng.randint(1, 4)
            size = slide * times
            start = (f"time_bucket(INTERVAL '{slide} seconds', ts, {day}) - "
                     f"h.i * INTERVAL '{slide} seconds'")
            duckdb = (f"(SELECT t.*, {start} AS window_start, {start} + INTERVAL '{size} seconds' AS "
                      f"window_end FROM {table} AS t, range({times}) AS h(i) WHERE ts IS NOT NULL)")
            return both(f"TABLE(HOP({flink}INTERVAL '{slide}' SECOND, INTERVAL '{size}' "
                        f"SECOND({len(str(size))})))", duckdb)
        if kind == "CUMULATE":
            step = rng.choice([5, 10, 20])
            times = rng.randint(1, 4)
            size = step * times
            start = f"time_bucket(INTERVAL '{size} seconds', ts, {day})"
            end = f"{start} + (h.i + 1) * INTERVAL '{step} seconds'"
            duckdb = (f"(SELECT t.*, {start} AS window_start, {end} AS window_end FROM {table} AS t, "
                      f"range({times}) AS h(i) WHERE ts < {end})")
            return both(f"TABLE(CUMULATE({flink}INTERVAL '{step}' SECOND, INTERVAL '{size}' "
                        f"SECOND({len(str(size))})))", duckdb)
        gap = rng.choice([2, 10, 30, 600])
        part = rng.choice(["", "k"])
        by = f"PARTITION BY {part}" if part else ""
        first = (f"CASE WHEN ts <= LAG(ts) OVER ({by} ORDER BY ts) + INTERVAL '{gap} seconds' "
                 f"THEN 0 ELSE 1 END")
        duckdb = (f"(SELECT * EXCLUDE (number, begins), MIN(ts) OVER (PARTITION BY {part or 1}, number) AS "
                  f"window_start, MAX(ts) OVER (PARTITION BY {part or 1}, number) + "
                  f"INTERVAL '{gap} seconds' AS window_end FROM (SELECT *, SUM(begins) OVER ({by} ORDER BY ts "
                  f"ROWS UNBOUNDED PRECEDING) AS number FROM (SELECT *, {first} AS begins "
                  f"FROM {table} WHERE ts IS NOT NULL)))")
        return both(f"TABLE(SESSION(TABLE {table} {by}, DESCRIPTOR(ts), INTERVAL '{gap}' "
                    f"SECOND({len(str(gap))})))", duckdb)

    def windowed(self):
        table = self.window_table("v")
        values = Values(self.rng, "q")
        if self.chance(0.15):
            return f"SELECT window_start, window_end, k, n, s FROM {table} AS q"
        is_session = "SESSION" in table
        has_key = "PARTITION BY k" in table if is_session else self.chance(0.5)
        keys = ["window_start", "window_end"] + ["k"] * has_key
        where = f" WHERE {values.value('truth', 1)}" if self.chance(0.3) and not is_session else ""
        calls = self.aggregates(values, self.rng.randint(1, 3))
        if is_session:  # whose values can't be told apart when two of them become one
            calls = [call.replace("DISTINCT ", "") for call in calls]
        items = ", ".join(f"{call} AS c{i}" for i, call in enumerate(calls))
        having = f" HAVING COUNT(*) > {self.rng.randint(0, 2)}" if self.chance(0.2) else ""
        form = ", ".join(keys)
        if has_key and self.chance(0.2) and not is_session:
            form = "GROUPING SETS ((window_start, window_end, k), (window_start, window_end))"
        text = f"SELECT {', '.join(keys)}, {items} FROM {table} AS q{where} GROUP BY {form}{having}"
        if self.chance(0.25) and has_key:
            return (f"SELECT window_start, window_end, MAX(c0) AS m, COUNT(*) AS e FROM ({text}) AS z "
                    f"GROUP BY window_start, window_end")
        return text

    def window_join(self):
        state = self.rng.getstate()
        left = self.window_table("v")
        while "SESSION" in left:
            state = self.rng.getstate()
            left = self.window_table("v")
        after = self.rng.getstate()
        self.rng.setstate(state)
        right = self.window_table("w")
        self.rng.setstate(after)
        kind = self.rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = "l.window_start = r.window_start AND l.window_end = r.window_end"
        on += self.rng.choice([" AND l.k = r.k", " AND l.s = r.s", " AND l.k = r.k AND l.n = r.n"])
        if self.chance(0.25):
            no = self.rng.choice(["", "NOT "])
            return (f"SELECT l.k, l.n, l.window_end FROM (SELECT * FROM {left}) AS l WHERE {no}EXISTS "
                    f"(SELECT * FROM (SELECT * FROM {right}) AS r WHERE {on})")
        return (f"SELECT l.k, l.n, r.n AS rn, l.window_start, r.window_end FROM "
                f"(SELECT * FROM {left}) AS l {kind} (SELECT * FROM {right}) AS r ON {on}")

    def window_top(self):
        table = self.window_table("v")
        part = self.rng.choice(["", ", k"])
        order = self.rng.choice(["n DESC NULLS LAST, ts DESC", "p NULLS FIRST, ts", "ts", "ts DESC"])
        return (f"SELECT window_start, window_end, k, n, p, ts, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "
                f"window_start, window_end{part} ORDER BY {order}) AS r FROM {table} AS q) AS y "
                f"WHERE r <= {self.rng.randint(1, 3)}")

    # ---- By time

    def over(self):
        rng = self.rng
        part = rng.choice(["", "PARTITION BY k ", "PARTITION BY s ", "PARTITION BY k, o "])
        frame = rng.choice([
            "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            "RANGE BETWEEN INTERVAL '20' SECOND PRECEDING AND CURRENT ROW",
            "RANGE BETWEEN INTERVAL '5' MINUTE PRECEDING AND CURRENT ROW",
            "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", ""])
        calls = [rng.choice(["SUM(n)", "COUNT(*)", "COUNT(p)", "MIN(s)", "MAX(q)", "SUM(p)", "MIN(d)",
                             "COUNT(DISTINCT k)", "MAX(ts)"])
                 for _ in range(rng.randint(1, 3))]
        if frame == "" or self.chance(0.1):
            frame = ""
            calls = [rng.choice(["LAG(n)", "LAG(s, 2)", "LAG(p, 1, 0.5)", "ROW_NUMBER()"])
                     if self.chance(0.7) else call for call in calls]
        items = ", ".join(f"{call} OVER ({part}ORDER BY ts {frame}) AS c{i}"
                          for i, call in enumerate(calls))
        return f"SELECT k, ts, {items} FROM v WHERE ts IS NOT NULL"

    def interval_join(self):
        rng = self.rng
        kind = rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        low, high = rng.choice([(5, 5), (0, 60), (60, 0), (120, 3600)])
        on = (f"l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL '{low}' SECOND AND "
              f"r.ts + INTERVAL '{high}' SECOND({max(2, len(str(high)))})")
        on = both(on, on.replace("SECOND(2)", "SECOND").replace("SECOND(4)", "SECOND"))
        more = rng.choice(["", " AND l.n <> r.n", " AND l.s = r.s"])
        return f"SELECT l.k, l.n, l.ts, r.n AS rn, r.ts AS rts FROM v AS l {kind} w AS r ON {on}{more}"

    # ---- Nested types

    def nested(self):
        values = Values(self.rng)
        rng = self.rng
        a, b, c = (values.value("int", 1) for _ in range(3))
        s, t = (values.value("text", 1) for _ in range(2))
        array = both(f"ARRAY[{a}, {b}, {c}]", f"[{a}, {b}, {c}]")
        texts = both(f"ARRAY[{s}, {t}]", f"[{s}, {t}]")
        index = rng.randint(1, 3)
        choices = [
            f"{array}[{index}]", both(f"CARDINALITY({array})", f"len({array})"),
            f"{texts}[2]",
            f"{array}[2]",
            f"CASE WHEN {values.value('truth', 1)} THEN {array} ELSE {array} END[{index}]",
            both(f"ARRAY_REVERSE({array})[{index}]", f"list_reverse({array})[{index}]"),
            both(f"ARRAY_SLICE({array}, 2, 3)[1]", f"list_slice({array}, 2, 3)[1]"),
            both(f"ARRAY_CONCAT({array}, {array})[{index + 2}]", f"list_concat({array}, {array})[{index + 2}]"),
            both(f"ARRAY_SORT({array})[{index}]", f"list_sort({array}, 'ASC', 'NULLS FIRST')[{index}]"),
        ]
        items = ", ".join(f"{rng.choice(choices)} AS c{i}" for i in range(rng.randint(1, 3)))
        return f"SELECT {items} FROM v"

    def unnested(self):
        rng = self.rng
        values = Values(self.rng, "v")
        a, b = (values.value("int", 1) for _ in range(2))
        join = f"v CROSS JOIN UNNEST({both(f'ARRAY[{a}, {b}]', f'[{a}, {b}]')}) AS x(e)"
        if self.chance(0.5):
            return f"SELECT v.k, x.e FROM {join}" + rng.choice(["", " WHERE x.e > 1", " WHERE v.k < x.e"])
        return f"SELECT x.e, COUNT(*) AS c, SUM(v.n) AS d FROM {join} GROUP BY x.e"


# ---- Rows

def random_feeds(rng, connection):
    """Lines for slt; the rows are in the connection's tables afterwards."""
    lines = []
    used = set()
    for table in ("v", "w"):
        connection.execute(f"DELETE FROM {table}")
        for _ in range(rng.choice([0, 1, 4, 8, 12])):
            row = [random_value(rng, name, kind, used) for name, kind in COLUMNS]
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} VALUES ({places})", row)
            lines.append(f"feed {table} {','.join(fed(value) for value in row)}")
    return lines


def random_value(rng, name, kind, used):
    if name != "ts" and rng.random() < 0.12:
        return None
    if kind in ("INT", "BIGINT"):
        return rng.randint(0, 3) if name == "k" else rng.randint(-20, 20)
    if kind == "STRING":
        return rng.choice(WORDS[:6] + WORDS[7:])
    if kind.startswith("DECIMAL"):
        return decimal.Decimal(rng.randint(-5000, 5000)).scaleb(-2 if name == "p" else -5)
    if kind == "DOUBLE":
        return rng.randint(-40, 40) / 8
    if kind == "DATE":
        return datetime.date(2023, 12, 30) + datetime.timedelta(days=rng.randint(0, 100))
    if kind == "BOOLEAN":
        return rng.random() < 0.5
    while True:
        at = BEGIN + datetime.timedelta(milliseconds=rng.choice([1000, 250, 60000]) * rng.randint(0, 60))
        if at not in used:  # so that the order of rows by time is certain
            used.add(at)
            return at


def fed(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, str) and (value == "" or "," in value or value.strip() != value):
        return "'" + value + "'"
    return str(value)


def java_double(value):
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if str(value).startswith("-") else "0.0"
    sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + exponent
    minus = "-" if sign else ""
    if 1e-3 <= abs(value) < 1e7:
        if point <= 0:
            return f"{minus}0.{'0' * -point}{text}"
        text = text.ljust(point, "0")
        return f"{minus}{text[:point]}.{text[point:] or '0'}"
    return f"{minus}{text[0]}.{text[1:] or '0'}E{point - 1}"


def shown(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, datetime.datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    elif isinstance(value, decimal.Decimal):
        text = format(value, "f")
    else:
        text = str(value)
    return f"'{text}'" if text == "" or " " in text else text
