#!/usr/bin/env python3
"""Compares Nexmark's query 6 (OVER rows that are taken back) with the same computed from all events.

  q6_check.py TIDEWHEEL [EVENTS]

Auctions and bids are read with plain queries; for each auction the highest bid counts, and for each of a seller's
auctions the average of it and the ten before. Where bids of one price, or auctions that were won at one time, leave
the order open, the seller is left out: these are few."""
import collections
import csv
import io
import re
import subprocess
import sys

TABLES = """
CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
  dateTime TIMESTAMP(3), extra STRING, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'events.num' = '{0}', 'nexmark.kind' = 'bid');
CREATE TABLE auction (id BIGINT, itemName STRING, description STRING, initialBid BIGINT,
  reserve BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
  extra STRING, WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND)
WITH ('connector' = 'nexmark', 'events.num' = '{0}', 'nexmark.kind' = 'auction');
"""
QUERY = """
SELECT Q.seller, AVG(Q.final) OVER (PARTITION BY Q.seller ORDER BY Q.dateTime
                                    ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
FROM (SELECT A.id, A.seller, B.price AS final, B.dateTime,
        ROW_NUMBER() OVER (PARTITION BY A.id, A.seller ORDER BY B.price DESC) AS rownum
      FROM auction AS A, bid AS B
      WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires) AS Q
WHERE Q.rownum <= 1"""


def rows_of(program, events, query, *settings):
    result = subprocess.run([program, "sql", "--csv", *settings, "-e", TABLES.format(events) + query],
                            capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        sys.exit(f"status {result.returncode}\n{result.stdout}{result.stderr}")
    lines = [line for line in result.stdout.split("\n") if re.match(r"-?\d", line)]
    return list(csv.reader(io.StringIO("\n".join(lines))))


def expected(auctions, bids):
    """Sorted averages by seller, and the sellers whose order is open."""
    by_auction = collections.defaultdict(list)
    for auction, price, time in bids:
        by_auction[auction].append((int(price), time))
    won = collections.defaultdict(list)
    is_open = set()
    for auction, seller, begin, end in auctions:
        valid = [(price, time) for price, time in by_auction[auction] if begin <= time <= end]
        if not valid:
            continue
        price = max(price for price, _ in valid)
        times = [time for one, time in valid if one == price]
        if len(times) > 1:
            is_open.add(seller)
        won[seller].append((times[0], price))
    averages = {}
    for seller, sales in won.items():
        sales.sort()
        times = [time for time, _ in sales]
        if len(set(times)) < len(times):
            is_open.add(seller)
        prices = [price for _, price in sales]
        averages[seller] = sorted(sum(prices[max(0, i - 10):i + 1]) // len(prices[max(0, i - 10):i + 1])
                                  for i in range(len(prices)))
    return averages, is_open


def main():
    program = sys.argv[1]
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    auctions = rows_of(program, events, "SELECT id, seller, dateTime, expires FROM auction")
    bids = rows_of(program, events, "SELECT auction, price, dateTime FROM bid")
    averages, is_open = expected(auctions, bids)
    for settings in [(), ("-Dtable.exec.fold-batches.enabled=false",), ("-Dparallelism.default=3",)]:
        found = collections.defaultdict(list)
        for seller, average in rows_of(program, events, QUERY, *settings):
            found[seller].append(int(average))
        if set(found) != set(averages):
            sys.exit(f"{settings}: other sellers: {len(found)} and {len(averages)}")
        compared = [seller for seller in averages if seller not in is_open]
        for seller in compared:
            if sorted(found[seller]) != averages[seller]:
                sys.exit(f"{settings}: seller {seller}: {sorted(found[seller])} and not {averages[seller]}")
        rows = sum(len(averages[seller]) for seller in compared)
        print(f"{' '.join(settings) or 'as it is'}: {len(compared)} of {len(averages)} sellers, {rows} averages are equal")
        if len(compared) * 10 < len(averages) * 9:
            sys.exit("too few sellers can be compared")


if __name__ == "__main__":
    main()
