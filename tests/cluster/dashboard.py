"""Flink's own dashboard, as it is, before a cluster of ours: all its pages, with a job that runs, one that has failed and
one that has finished. No message of the console, no request that fails."""
import pathlib
import time

import browser
from local_cluster import Failure, wait_for

SETTINGS = ["execution.checkpointing.interval=500ms", "metrics.fetcher.update-interval=100ms",
            "rest.flamegraph.enabled=true", "web.refresh-interval=1s", "web.submit.enable=true"]
# The word that tells a page from its empty frame.
JOB_PAGES = {"overview": "numbers", "timeline": "numbers", "exceptions": "", "checkpoints": "Completed",
             "checkpoints/overview": "", "checkpoints/history": "", "checkpoints/summary": "",
             "checkpoints/configuration": "", "configuration": "Execution"}
VERTEX_PAGES = ("detail", "subtasks", "taskmanagers", "watermarks", "accumulators", "backpressure", "metrics",
                "flamegraph")
MANAGER_PAGES = ("metrics", "config", "logs", "stdout", "log", "thread-dump")
WORKER_PAGES = ("metrics", "logs", "stdout", "log", "thread-dump")


def write(path, text):
    path.write_text(text)
    return path


def jobs(cluster, folder):
    numbers = """CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{last}');
CREATE TABLE sink (n BIGINT, c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT n % 10, COUNT(*) FROM numbers GROUP BY n % 10;
"""
    settings = f"SET 'execution.checkpointing.dir' = '{folder / 'checkpoints'}';\nSET 'parallelism.default' = '2';\n"
    names = {}
    for name, last in (("runs", 10**9), ("ended", 2000)):
        script = write(folder / f"{name}.sql", f"SET 'pipeline.name' = '{name}';\n" + settings + numbers.format(last=last))
        names[name] = cluster.run(script)
    names["failed"] = cluster.run(write(folder / "failed.sql", "INSERT INTO nowhere SELECT 1;\n"))
    cluster.wait_state(names["ended"], "FINISHED")
    wait_for("it fails", lambda: cluster.state(names["failed"]) == "FAILED")
    cluster.wait_state(names["runs"], "RUNNING")
    wait_for("checkpoints", lambda: cluster.completed_checkpoints(names["runs"]) >= 3)
    return names


def pages(cluster, names):
    found = [("overview", "runs"), ("job/running", "runs"), ("job/completed", "ended"), ("task-manager", ""),
             ("submit", "")]
    found += [(f"job-manager/{page}", "") for page in MANAGER_PAGES]
    for task_manager in cluster.get("/taskmanagers")["taskmanagers"]:
        found += [(f"task-manager/{task_manager['id']}/{page}", "") for page in WORKER_PAGES]
        log = cluster.get(f"/taskmanagers/{task_manager['id']}/logs")["logs"]
        found += [(f"task-manager/{task_manager['id']}/logs/{file['name']}", "") for file in log[:1]]
    for name, where in (("runs", "running"), ("ended", "completed"), ("failed", "completed")):
        job = names[name]
        found += [(f"job/{where}/{job}/{page}", word if name == "runs" else "") for page, word in JOB_PAGES.items()]
        for vertex in cluster.get(f"/jobs/{job}")["vertices"]:
            found += [(f"job/{where}/{job}/overview/{vertex['id']}/{page}", "") for page in VERTEX_PAGES]
    return found


def look_at(view, url, page, word, seconds):
    """The errors of a page that was given some time; its word has to come."""
    view.visit(f"{url}/#/{page}")
    deadline = time.monotonic() + seconds
    seen = False
    while time.monotonic() < deadline:
        time.sleep(0.2)
        seen = seen or word in view.text()
    errors = view.errors()
    if not seen:
        errors.append(f"the page does not show '{word}'")
    if page not in view.run("return location.hash"):
        errors.append(f"the page sends on to {view.run('return location.hash')}")
    return [f"{page}: {error}" for error in errors]


def check(cluster, folder, seconds=1.5):
    """All pages; a Failure with all that was found."""
    cluster.start_job_manager()
    for _ in range(2):
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=4", "-Dtaskmanager.memory.process.size=1g")
    cluster.wait_slots(8)
    names = jobs(cluster, pathlib.Path(folder))
    found = []
    with browser.Browser(pathlib.Path(folder)) as view:
        list_of_pages = pages(cluster, names)
        for page, word in list_of_pages:
            found += look_at(view, cluster.url, page, word, seconds)
        # Its button, which asks by a path of its own.
        view.visit(f"{cluster.url}/#/job/running/{names['runs']}/overview")
        wait_for("the button", lambda: "Cancel Job" in view.text())
        view.run("[...document.querySelectorAll('a, button, span')].find(e => e.innerText == 'Cancel Job').click()")
        wait_for("the question", lambda: view.run("return document.querySelector('.ant-popover-buttons') != null"))
        view.run("document.querySelector('.ant-popover-buttons .ant-btn-primary').click()")
        cluster.wait_state(names["runs"], "CANCELED")
        found += view.errors()
    print(f"       {len(list_of_pages)} pages", flush=True)
    if found:
        raise Failure("\n".join(dict.fromkeys(found)))
