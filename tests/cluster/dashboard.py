"""Flink's own dashboard, as it is, before a cluster of ours: all its pages, with a job that runs, one that has failed and
one that has finished. Each has to show what it is for, with no message of the console and no request that fails."""
import pathlib
import time

import browser
from local_cluster import Failure, wait_for

# All checkpoints stay: the page goes on asking for one that is open, and complains when it is forgotten.
SETTINGS = ["web.checkpoints.history=10000", "execution.checkpointing.interval=500ms",
            "metrics.fetcher.update-interval=100ms", "rest.flamegraph.enabled=true", "web.refresh-interval=1s",
            "web.submit.enable=true"]
SEEN_WITHIN_SECONDS = 30
# Behind what is waited for: requests that a page makes last.
SETTLE_SECONDS = 0.4

# The dashboard's own: a graph that is still being drawn when its page is left has no size any more.
NOT_OURS = "from 'SVGLength': Could not resolve relative length"

# Pages, and words that tell each from its empty frame.
JOB_PAGES = {
    "runs": {"overview": "Backpressured (max): 0%", "dataskew": "numbers", "timeline": "Vertex TimeLine",
             "exceptions": "Exception", "checkpoints": "Completed", "configuration": "Execution"},
    "ended": {"overview": "numbers", "dataskew": "numbers", "timeline": "Vertex TimeLine", "exceptions": "Exception",
              "checkpoints": "Checkpoint", "configuration": "Execution"},
    "failed": {"overview": "failed", "exceptions": "nowhere", "configuration": "Execution"}}
# Behind `runs` and `ended`.
VERTEX_PAGES = {"detail": "Parallelism", "subtasks": "localhost:", "taskmanagers": "localhost:", "watermarks": "SubTask",
                "accumulators": "Name", "backpressure": "OK", "metrics": "Metric", "flamegraph": "On-CPU"}
MANAGER_PAGES = {"metrics": "Metaspace", "config": "env.log.dir", "logs": "INFO", "stdout": "INFO", "log": "jobmanager",
                 "thread-dump": "tidewheel", "profiler": "Profiler"}
WORKER_PAGES = {"metrics": "Framework Heap", "logs": "INFO", "stdout": "INFO", "log-list": "taskmanager",
                "thread-dump": "tidewheel", "profiler": "Profiler"}


def jobs(cluster, folder):
    numbers = """CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{last}');
CREATE TABLE sink (n BIGINT, c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT n % 10, COUNT(*) FROM numbers GROUP BY n % 10;
"""
    settings = f"SET 'execution.checkpointing.dir' = '{folder / 'checkpoints'}';\nSET 'parallelism.default' = '2';\n"
    names = {}
    for name, last in (("runs", 10**9), ("ended", 2000)):
        script = folder / f"{name}.sql"
        script.write_text(f"SET 'pipeline.name' = '{name}';\n" + settings + numbers.format(last=last))
        names[name] = cluster.run(script)
    script = folder / "failed.sql"
    script.write_text("INSERT INTO nowhere SELECT 1;\n")
    names["failed"] = cluster.run(script)
    cluster.wait_state(names["ended"], "FINISHED")
    wait_for("it fails", lambda: cluster.state(names["failed"]) == "FAILED")
    cluster.wait_state(names["runs"], "RUNNING")
    wait_for("checkpoints", lambda: cluster.completed_checkpoints(names["runs"]) >= 3)
    return names


def pages(cluster, names):
    found = [("overview", "runs"), ("job/running", "runs"), ("job/completed", "ended"), ("task-manager", "localhost:"),
             ("submit", "runs.sql")]
    found += [(f"job-manager/{page}", word) for page, word in MANAGER_PAGES.items()]
    for log in cluster.get("/jobmanager/logs")["logs"][:1]:
        found.append((f"job-manager/log/{log['name']}", "INFO"))
    for task_manager in cluster.get("/taskmanagers")["taskmanagers"]:
        place = f"task-manager/{task_manager['id']}"
        found += [(f"{place}/{page}", word) for page, word in WORKER_PAGES.items()]
        for log in cluster.get(f"/taskmanagers/{task_manager['id']}/logs")["logs"][:1]:
            found.append((f"{place}/log-list/{log['name']}", "INFO"))
    for name, where in (("runs", "running"), ("ended", "completed"), ("failed", "completed")):
        job = names[name]
        found += [(f"job/{where}/{job}/{page}", word) for page, word in JOB_PAGES[name].items()]
        for vertex in cluster.get(f"/jobs/{job}")["vertices"]:
            # The dashboard stumbles over going from one vertex's drawer right to another one's.
            found.append((f"job/{where}/{job}/overview", "numbers"))
            found += [(f"job/{where}/{job}/overview/{vertex['id']}/{page}", word)
                      for page, word in VERTEX_PAGES.items()]
    return found


def wait_text(view, word):
    """Whether the page comes to show the word."""
    deadline = time.monotonic() + SEEN_WITHIN_SECONDS
    while word not in view.text():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def look_at(view, url, page, word):
    """What is wrong with a page."""
    view.visit(f"{url}/#/{page}")
    errors = [] if wait_text(view, word) else [f"it does not show '{word}' but\n{view.text()[-1000:]}"]
    time.sleep(SETTLE_SECONDS)
    errors += view.errors()
    if page not in view.run("return decodeURIComponent(location.hash)"):
        errors.append(f"it sends on to {view.run('return location.hash')}")
    return [f"{page}: {error}" for error in errors if NOT_OURS not in error]


def click(view, text):
    wait_for(f"'{text}' to click on", lambda: view.click(text))


def open_row(view, within=""):
    """Opens the first row that can be opened and that is to be seen."""
    wait_for("a row to open", lambda: view.run(f"""
const found = [...document.querySelectorAll('{within} .ant-table-row-expand-icon-collapsed')].find(e => e.offsetParent);
found?.click();
return found != null;"""))


def look_into_checkpoints(view, url, job):
    """The tabs of a job's checkpoints, and one checkpoint opened, with an operator in it."""
    view.visit(f"{url}/#/job/running/{job}/checkpoints")
    found = []

    def expect(word):
        if not wait_text(view, word):
            found.append(f"checkpoints: '{word}' is not shown but\n{view.text()[-1000:]}")
    for tab, word in (("Summary", "End to End Duration"), ("Configuration", "Interval"), ("History", "Acknowledged")):
        click(view, tab)
        expect(word)
        time.sleep(SETTLE_SECONDS)
    open_row(view)
    expect("Checkpoint Detail")
    expect("numbers")
    open_row(view, "flink-job-checkpoints-detail")
    expect("Sync Duration")
    time.sleep(SETTLE_SECONDS)
    return found + view.errors()


def look_at_plan(view, url):
    """Of a program that was uploaded."""
    view.visit(f"{url}/#/submit")
    click(view, "runs.sql")
    wait_for("a plan to ask for", lambda: view.run("""
const found = [...document.querySelectorAll('button')].find(e => e.offsetParent && e.innerText.trim() == 'Show Plan');
found?.click();
return found != null;"""))
    found = [] if wait_text(view, "numbers") else ["submit: no plan is shown"]
    time.sleep(SETTLE_SECONDS)
    return found + view.errors()


def cancel(view, cluster, job):
    """By the page's button, which asks by a path of its own."""
    view.visit(f"{cluster.url}/#/job/running/{job}/overview")
    click(view, "Cancel Job")
    wait_for("the question", lambda: view.run("""
const found = document.querySelector('.ant-popover-buttons .ant-btn-primary');
found?.click();
return found != null;"""))
    cluster.wait_state(job, "CANCELED")
    return view.errors()


def check(cluster, folder):
    """All pages; a Failure with all that was found."""
    cluster.start_job_manager()
    for _ in range(2):
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=4", "-Dtaskmanager.memory.process.size=1g")
    cluster.wait_slots(8)
    names = jobs(cluster, pathlib.Path(folder))
    found = []
    with browser.Browser(pathlib.Path(folder)) as view:
        all_pages = pages(cluster, names)
        for page, word in all_pages:
            found += look_at(view, cluster.url, page, word)
        found += look_into_checkpoints(view, cluster.url, names["runs"]) + look_at_plan(view, cluster.url)
        found += cancel(view, cluster, names["runs"])
    print(f"       {len(all_pages)} pages", flush=True)
    if found:
        raise Failure("\n".join(dict.fromkeys(found)))
