#!/usr/bin/env python3
"""Compares the formats with a registry of schemas (avro-confluent, json-registry, protobuf-confluent) with Confluent's own
client for Python, over a real broker and a real registry: the client writes random rows to a topic, by two versions of a
schema where the format has them, the program reads them and writes them to another one, and the client reads those.

    python3 -m venv v && v/bin/pip install 'confluent-kafka[avro,json,protobuf]'
    v/bin/python tests/registry/run.py build/release/bin/tidewheel --brokers localhost:9092 --registry http://localhost:8081

Another seed makes other schemas and other topics. protoc has to be on the path."""
import argparse
import importlib.util
import json
import pathlib
import random
import sys
import tempfile
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

TESTS = pathlib.Path(__file__).resolve().parent.parent
PATIENCE_S = 60


def script_of(path):
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), TESTS / (path + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


avro, formats, protobuf = script_of("avro/run"), script_of("formats/run"), script_of("protobuf/golden")
quoted = avro.quoted


class TextRegistry(SchemaRegistryClient):
    """Registers the text of a .proto file where the client would a descriptor in base64, which not every registry turns
    into text."""

    def __init__(self, url, text):
        super().__init__({"url": url})
        self.text = text

    def register_schema_full_response(self, subject_name, schema, *args, **kwargs):
        return super().register_schema_full_response(subject_name, Schema(self.text, "PROTOBUF"), *args, **kwargs)


class Ground:
    """The broker, the registry and the program."""

    def __init__(self, options):
        self.program, self.brokers, self.url = options.program, options.brokers, options.registry
        self.client = SchemaRegistryClient({"url": options.registry})
        self.admin = AdminClient({"bootstrap.servers": options.brokers})
        self.prefix = f"registry-{int(time.time())}"

    def topics(self, name):
        names = [f"{self.prefix}-{name}-{end}" for end in ("in", "out")]
        for made in self.admin.create_topics([NewTopic(one, 1, 1) for one in names]).values():
            made.result(PATIENCE_S)
        return names

    def write(self, topic, values):
        producer = Producer({"bootstrap.servers": self.brokers})
        for value in values:
            producer.produce(topic, value=value, partition=0)
            producer.poll(0)
        if producer.flush(PATIENCE_S) != 0:
            raise RuntimeError(f"{topic} could not be written")

    def read(self, topic, count):
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": topic, "enable.partition.eof": True})
        consumer.assign([TopicPartition(topic, 0, 0)])
        values = []
        while (message := consumer.poll(PATIENCE_S)) is not None and message.error() is None:
            values.append(message.value())
        consumer.close()
        if len(values) != count:
            raise RuntimeError(f"{topic} has {len(values)} messages and not {count}")
        return values

    def copy(self, topics, columns, form, reads="", writes=""):
        """Has the program read the first topic and write the second."""
        tables = "".join(
            f"CREATE TABLE {name} ({columns}) WITH ('connector' = 'kafka', 'topic' = '{topic}', "
            f"'properties.bootstrap.servers' = '{self.brokers}', 'scan.startup.mode' = 'earliest-offset', "
            f"'scan.bounded.mode' = 'latest-offset', 'format' = '{form}', '{form}.url' = '{self.url}'{more});\n"
            for name, topic, more in (("source", topics[0], reads), ("copied", topics[1], writes)))
        avro.run_sql(self.program, "SET 'parallelism.default' = '1';\nSET 'table.dml-sync' = 'true';\n" + tables +
                     "INSERT INTO copied SELECT * FROM source;\n")


def value_of(topic):
    return SerializationContext(topic, MessageField.VALUE)


def differ(what, expected, found):
    raise RuntimeError(f"{what}:\n  {expected}\n  {found}")


def check_avro(ground, seed):
    rng = random.Random(f"avro {seed}")
    maker = avro.Maker(rng)
    old = maker.record()
    new = {**old, "fields": old["fields"] + [{"name": "added", "type": ["null", "string"], "default": None}]}
    topics = ground.topics(f"avro-{seed}")
    records, messages = [], []
    for schema in (old, new, old):
        write = AvroSerializer(ground.client, json.dumps(schema), conf={"auto.register.schemas": True})
        for record in [maker.value(schema) for _ in range(rng.choice([1, 10, 100]))]:
            messages.append(write(record, value_of(topics[0])))
            records.append({"added": None, **record})
    ground.write(topics[0], messages)
    columns = ", ".join(f"`{field['name']}` {avro.sql_type(field['type'])}" for field in new["fields"])
    by_new = f", 'avro-confluent.schema' = {quoted(json.dumps(new))}"
    ground.copy(topics, columns, "avro-confluent", by_new, by_new)
    read = AvroDeserializer(ground.client)
    for expected, bytes_found in zip(records, ground.read(topics[1], len(records)), strict=True):
        if (found := read(bytes_found, value_of(topics[1]))) != expected:
            differ(f"avro-confluent, seed {seed}", expected, found)
    return len(records)


def json_column(rng):
    """Without decimals, which the client does not write."""
    def has_decimals(column):
        return column.kind.startswith("DECIMAL") or any(map(has_decimals, column.parts))
    while has_decimals(column := formats.Column(rng, False)):
        pass
    return column


def json_schema(column):
    if column.kind == "ARRAY":
        plain = {"type": "array", "items": json_schema(column.parts[0])}
    elif column.kind == "MAP":
        plain = {"type": "object", "additionalProperties": json_schema(column.parts[0])}
    elif column.kind == "ROW":
        plain = {"type": "object", "properties": {f"f{i}": json_schema(part) for i, part in enumerate(column.parts)}}
    else:
        plain = {"type": {"BOOLEAN": "boolean", "INT": "integer", "BIGINT": "integer", "DOUBLE": "number"}
                 .get(column.kind, "string")}
    return {"oneOf": [{"type": "null"}, plain]}


def check_json(ground, seed):
    rng = random.Random(f"json {seed}")
    columns = {f"c{i}": json_column(rng) for i in range(rng.randint(2, 6))}
    rows = [{name: column.value() for name, column in columns.items()} for _ in range(rng.choice([1, 10, 300]))]
    topics = ground.topics(f"json-{seed}")
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Row", "type": "object",
              "properties": {name: json_schema(column) for name, column in columns.items()}}
    write = JSONSerializer(json.dumps(schema), ground.client)
    ground.write(topics[0], [write(row, value_of(topics[0])) for row in rows])
    ground.copy(topics, ", ".join(f"`{name}` {column.sql()}" for name, column in columns.items()), "json-registry")
    # It looks whether a row is what the schema says that the program has registered.
    registered = ground.client.get_latest_version(f"{topics[1]}-value").schema.schema_str
    read = JSONDeserializer(registered, schema_registry_client=ground.client)
    for row, message in zip(rows, ground.read(topics[1], len(rows)), strict=True):
        found = read(message, value_of(topics[1]))
        if not all(column.alike(row[name], found.get(name)) for name, column in columns.items()):
            differ(f"json-registry, seed {seed}", row, found)
    return len(rows)


ORDER_COLUMNS = """id BIGINT, state STRING, weight DOUBLE, good BOOLEAN, zigzag BIGINT, fixed DECIMAL(20, 0), hash BYTES,
  note STRING, numbers ARRAY<INT>, tags ARRAY<STRING>, counts MAP<STRING, BIGINT>, place ROW<city STRING, zip INT>,
  `at` TIMESTAMP_LTZ(3), card STRING, cash BIGINT"""


def check_protobuf(ground, seed):
    rng = random.Random(f"protobuf {seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text = (TESTS / "data/protobuf/order.proto").read_text()
        # The message is the second of its file, or the first within the second.
        is_nested = seed % 2 == 1
        if is_nested:
            text = text.replace("message Order {", "message Around { message Order {") + "}\n"
        (folder / "order.proto").write_text(text)
        make = protobuf.message_class(folder, "shop.Around.Order" if is_nested else "shop.Order")
        topics = ground.topics(f"protobuf-{seed}")
        write = ProtobufSerializer(make, TextRegistry(ground.url, text), {"use.deprecated.format": False})
        orders = []
        for _ in range(rng.choice([1, 10, 300])):
            orders.append(make())
            protobuf.fill(orders[-1], rng.randrange(-1000, 1000) % 1000)
        ground.write(topics[0], [write(order, value_of(topics[0])) for order in orders])
        flat = (TESTS / "data/protobuf/order.proto").read_text()
        # What is written is the first message of its file.
        start, end = flat.index("message Order"), flat.index("enum State")
        flat = flat[:end] + flat[start:] + flat[end:start]
        ground.copy(topics, ORDER_COLUMNS, "protobuf-confluent", writes=f", 'protobuf-confluent.schema' = {quoted(flat)}")
        (folder / "order.proto").write_text(flat)
        made = protobuf.message_class(folder, "shop.Order")
        read = ProtobufDeserializer(made, {"use.deprecated.format": False})
        for order, message in zip(orders, ground.read(topics[1], len(orders)), strict=True):
            found = read(message, value_of(topics[1]))
            if found.SerializeToString(deterministic=True) != order.SerializeToString(deterministic=True):
                differ(f"protobuf-confluent, seed {seed}", order, found)
        return len(orders)


CHECKS = {"avro-confluent": check_avro, "json-registry": check_json, "protobuf-confluent": check_protobuf}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program tidewheel")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--topics", type=int, default=20, help="of each format")
    parser.add_argument("--formats", default=",".join(CHECKS))
    options = parser.parse_args()
    ground = Ground(options)
    for form in options.formats.split(","):
        rows = 0
        for seed in range(options.seed, options.seed + options.topics):
            try:
                rows += CHECKS[form](ground, seed)
            except RuntimeError as failure:
                sys.exit(f"{form}, seed {seed}: {failure}")
        print(f"{form}: {rows} rows of {options.topics} topics, as Confluent's client has them", flush=True)


if __name__ == "__main__":
    main()
