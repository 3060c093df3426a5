#!/usr/bin/env python3
"""What docs/guide/metrics.md lists is what a cluster with running jobs shows, by REST and for Prometheus; and figures that can
be told beforehand are right.

  tests/cluster/metrics.py --program build/release/bin/tidewheel [TEST...]"""
import pathlib
import re
import sys
import urllib.request

from local_cluster import Cluster, Failure, run_tests, test_arguments, wait_for
from run import start

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guide/metrics.md"
SETTINGS = ["metrics.fetcher.update-interval=100ms", "execution.checkpointing.interval=300ms"]
# Two tasks in a row, with late rows, on two TaskManagers.
SCRIPT = """
SET 'parallelism.default' = '2';
SET 'execution.checkpointing.dir' = '{folder}';
CREATE TABLE clicks (page BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'rows-per-second' = '20000', 'fields.page.min' = '0', 'fields.page.max' = '99',
      'fields.at.max-past' = '60 s');
CREATE TABLE counts (page BIGINT, ends TIMESTAMP(3), clicks BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO counts SELECT page, window_end, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY page, window_start, window_end;
"""
TESTS = {}


def test(function):
    TESTS[function.__name__] = function
    return function


def check(what, condition):
    if not condition:
        raise Failure(what)


def documented():
    """Names by section and by what they are of."""
    names, section = {}, None
    for line in GUIDE.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[1].startswith("`"):
            names.setdefault((section, cells[3]), set()).update(re.findall(r"`([^`]+)`", cells[1]))
    return names


def without_numbers(name):
    return re.sub(r"currentInput\dWatermark", "currentInput1Watermark", name)


class Shown:
    """The metrics of a cluster with one job."""

    def __init__(self, cluster, job):
        self.cluster, self.job = cluster, job
        self.vertices = cluster.job(job)["vertices"]

    def values(self, path):
        ids = [one["id"] for one in self.cluster.get(path)]
        found = {}
        for i in range(0, len(ids), 40):  # as many as a request may be long
            found.update((one["id"], one["value"])
                         for one in self.cluster.get(f"{path}?get={','.join(ids[i:i + 40])}"))
        check(f"{path}: {set(ids) ^ set(found)}", len(ids) == len(found))
        return found

    def of_subtask(self, vertex, subtask=0):
        """Those of the task, and those of each of its operators."""
        table = self.values(f"/jobs/{self.job}/vertices/{vertex['id']}/subtasks/{subtask}/metrics")
        operators = {name.rsplit(".numRecordsIn", 1)[0] for name in table if name.endswith(".numRecordsIn")}
        of = {operator: {} for operator in operators}
        task = {}
        for name, value in table.items():
            operator = next((one for one in operators if name.startswith(f"{one}.")), None)
            if operator is None:
                task[name] = value
            else:
                of[operator][name[len(operator) + 1:]] = value
        return task, of

    def total(self, vertex, name):
        return sum(float(self.of_subtask(vertex, i)[0][name]) for i in range(vertex["parallelism"]))


def start_job(cluster, folder):
    start(cluster, slots=1)
    script = folder / "clicks.sql"
    script.write_text(SCRIPT.replace("{folder}", str(folder / "checkpoints")))
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    shown = Shown(cluster, job)
    check("two tasks in a row", len(shown.vertices) == 2)
    path = f"/jobs/{job}/vertices/{shown.vertices[1]['id']}/subtasks/metrics?get=numRecordsInPerSecond&agg=sum"
    wait_for("rates", lambda: cluster.completed_checkpoints(job) > 1 and cluster.get(path)[0]["sum"] > 0)
    return shown


def compare(what, there, wanted, known):
    there = {without_numbers(name) for name in there}
    check(f"{what} lacks {sorted(wanted - there)}", wanted <= there)
    unknown = {name for name in there - known if not re.search(r"(?:^|\.)(?:KafkaSourceReader|accumulators|latencyNs|rocksdb)", name)}
    check(f"{what} has what the guide does not list: {sorted(unknown)}", not unknown)


@test
def the_guide_lists_what_a_cluster_shows(program, folder):
    names = documented()
    everything = {section: set().union(*(some for (one, _), some in names.items() if one == section))
                  for section in {section for section, _ in names}}
    zeros = {f"Status.JVM.Memory.{name}" for name in (
        "Metaspace.Used", "Metaspace.Committed", "Metaspace.Max", "Direct.Count", "Direct.MemoryUsed", "Direct.TotalCapacity",
        "Mapped.Count", "NonHeap.Max")}
    newer = {f"{name}PerSecond" for name in names["A task", "inputs"] if name.startswith("Shuffle.Netty.Input.num")}
    with Cluster(program, folder, SETTINGS) as cluster:
        shown = start_job(cluster, folder)
        processes = everything["A process"] | zeros
        of_process = names["A process", "all"]
        compare("the JobManager", shown.values("/jobmanager/metrics"), of_process | names["A process", "JobManager"], processes)
        for one in cluster.get("/taskmanagers")["taskmanagers"]:
            compare("a TaskManager", shown.values(f"/taskmanagers/{one['id']}/metrics"),
                    of_process | names["A process", "TaskManager"], processes)
        compare("the job", shown.values(f"/jobs/{shown.job}/metrics"), everything["A job"], everything["A job"])
        tasks = everything["A task"] | newer
        (source, of_source), (sink, of_sink) = (shown.of_subtask(vertex) for vertex in shown.vertices)
        compare("the first task", source, names["A task", "all"] | names["A task", "outputs"], tasks)
        compare("the second task", sink, names["A task", "all"] | names["A task", "inputs"], tasks)
        coordinators = shown.values(f"/jobs/{shown.job}/vertices/{shown.vertices[0]['id']}/jm-operator-metrics")
        compare("a coordinator", {re.sub(r"^.*?\.(?=coordinator\.)", "", name) for name in coordinators},
                everything["A coordinator"], everything["A coordinator"])
        check(f"the source has asked for splits: {coordinators}",
              any(name.endswith(".coordinator.numEventsIn") and int(value) > 0 for name, value in coordinators.items()))
        operators = {**of_source, **of_sink}
        seen = set()
        for name, table in operators.items():
            compare(name, table, names["An operator", "all"], everything["An operator"])
            seen |= set(table)
        for of in ("sources", "late rows", "sinks"):
            check(f"of {of} there is no {names['An operator', of] - seen}", names["An operator", of] <= seen)


@test
def figures_of_a_job_fit_together(program, folder):
    with Cluster(program, folder, SETTINGS) as cluster:
        shown = start_job(cluster, folder)
        first, second = shown.vertices

        def batches_arrive():
            task, _ = shown.of_subtask(second)
            return all(float(task[name]) > 0 for name in ("numBytesInLocal", "numBytesInRemote", "numBuffersInRemotePerSecond"))
        wait_for("rows from both TaskManagers", batches_arrive)
        sent, received = shown.total(first, "numBytesOut"), shown.total(second, "numBytesIn")
        check(f"{sent} bytes sent, {received} received", 0.5 < received / sent < 2)
        task, operators = shown.of_subtask(second)
        rows = float(task["numRecordsIn"])
        check(f"{float(task['numBytesIn']) / rows} bytes a row", 8 < float(task["numBytesIn"]) / rows < 64)
        shares = [float(task[f"{what}TimeMsPerSecond"]) for what in ("busy", "idle", "backPressured")]
        check(f"{shares}", 500 < sum(shares) <= 1001)
        for usage in ("buffers.inPoolUsage", "Shuffle.Netty.Input.Buffers.inPoolUsage"):
            check(usage, 0 <= float(task[usage]) <= 1)
        check("mail was waited for", float(task["mailboxLatencyMs_max"]) > 0 and float(task["mailboxLatencyMs_count"]) > 0)
        late = max(float(table.get("numLateRecordsDropped", 0)) for table in operators.values())
        check("rows are late", late > 0)
        _, sources = shown.of_subtask(first)
        idle_ms = next(float(table["sourceIdleTime"]) for table in sources.values() if "sourceIdleTime" in table)
        check(f"the source has read nothing for {idle_ms} ms", 0 <= idle_ms < 5000)
        written = shown.cluster.job(shown.job)["vertices"][1]["metrics"]
        check(f"{written}", written["read-bytes"] > 0 and written["read-records"] > 0)
        used = shown.values(f"/taskmanagers/{cluster.get('/taskmanagers')['taskmanagers'][0]['id']}/metrics")
        check(f"{used}", 0 < float(used["Status.Process.Memory.Tasks.Used"]) < float(used["Status.Process.Memory.Tasks.Total"]))
        check(f"{used}", 0 == float(used["Status.Flink.Memory.Managed.Used"]) < float(used["Status.Flink.Memory.Managed.Total"]))
        check(f"{used}", float(used["Status.Shuffle.Netty.TotalMemorySegments"]) > 0)
        memory = {name: float(used[f"Status.Shuffle.Netty.{name}Memory"]) for name in ("Total", "Used", "Available")}
        check(f"{memory}", memory["Used"] > 0 and abs(memory["Total"] - memory["Used"] - memory["Available"]) < 1)
        check("a channel may hold something", float(task["debloatedBufferSize"]) > 0)


@test
def memory_is_divided_as_it_is_set(program, folder):
    mb = 1 << 20
    with Cluster(program, folder, SETTINGS + ["state.backend.type=rocksdb"]) as cluster:
        cluster.start_job_manager()
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=4", "-Dtaskmanager.memory.flink.size=964m",
                                   "-Dtaskmanager.memory.managed.size=200m", "-Dtaskmanager.memory.network.fraction=0.2")
        task_manager = wait_for("the TaskManager", lambda: cluster.get("/taskmanagers")["taskmanagers"])[0]
        parts = task_manager["memoryConfiguration"]
        wanted = {"frameworkHeap": 64, "managedMemory": 200, "networkMemory": 180, "taskHeap": 520, "jvmOverhead": 100,
                  "totalFlinkMemory": 964, "totalProcessMemory": 1064}
        check(f"{parts}", all(parts[part] == size * mb for part, size in wanted.items()))
        one = task_manager["totalResource"]
        check(f"{one}", (one["managedMemory"], one["networkMemory"], one["taskHeapMemory"]) == (200, 180, 520))
        script = folder / "clicks.sql"
        script.write_text(SCRIPT.replace("{folder}", str(folder / "checkpoints")))
        shown = Shown(cluster, cluster.run(script))
        cluster.wait_state(shown.job, "RUNNING")
        path = f"/taskmanagers/{task_manager['id']}/metrics"

        def is_shown():
            used = shown.values(path)
            return used if float(used["Status.Flink.Memory.Managed.Used"]) > 0 else None
        used = wait_for("RocksDB has its memory", is_shown)
        check(f"the job has two of four slots: {used}", float(used["Status.Flink.Memory.Managed.Used"]) == 100 * mb)
        check(f"{used}", float(used["Status.Shuffle.Netty.TotalMemory"]) == 180 * mb)
        worker = next(pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in cluster.task_managers[0].children())
        limit = int(re.search(r"--memory=(\d+)", worker).group(1))
        check(f"it accounts for half of what the slots do: {limit}", abs(limit - 450 * mb) < mb)


def check_prometheus(text):
    """As `promtool check metrics` reads it: one HELP and TYPE for each family, before its samples, each sample once."""
    families, samples = set(), set()
    family = None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            check(f"{family} comes twice", family not in families)
            families.add(family)
        elif line.startswith("# TYPE "):
            check(line, line.split()[2:] == [family, "gauge"])
        else:
            found = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",)*)\} (\S+)', line)
            check(f"no sample: {line}", found and found.group(1) == family)
            float(found.group(3))
            check(f"twice: {line}", (found.group(1), found.group(2)) not in samples)
            samples.add((found.group(1), found.group(2)))
    return families


@test
def prometheus_gets_valid_text_with_all_of_it(program, folder):
    with Cluster(program, folder, SETTINGS) as cluster:
        shown = start_job(cluster, folder)
        with urllib.request.urlopen(f"{cluster.url}/metrics", timeout=30) as answer:
            families = check_prometheus(answer.read().decode())
        task, operators = shown.of_subtask(shown.vertices[1])
        wanted = {f"flink_taskmanager_job_task_{name}" for name in task}
        for table in operators.values():
            wanted |= {f"flink_taskmanager_job_task_operator_{name}" for name in table}
        wanted |= {"flink_jobmanager_taskSlotsTotal", "flink_taskmanager_Status_Shuffle_Netty_TotalMemorySegments",
                   "flink_jobmanager_job_lastCheckpointDuration", "flink_jobmanager_job_operator_coordinator_numEventsIn",
                   "flink_jobmanager_job_operator_coordinator_enumerator_unassignedSplits"}
        lacking = {re.sub(r"[^a-zA-Z0-9_:]", "_", name) for name in wanted} - families
        check(f"{sorted(lacking)}", not lacking)


if __name__ == "__main__":
    sys.exit(run_tests(TESTS, test_arguments(__doc__).parse_args()))
