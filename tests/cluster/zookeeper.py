#!/usr/bin/env python3
"""A cluster whose leader is elected by three servers of ZooKeeper, when some of these are lost: for a short time nothing
stops, for long the leader steps down, and another goes on with its jobs.

  tests/cluster/zookeeper.py --program build/release/bin/tidewheel [TEST...]

The servers come from ZOOKEEPER_HOME (tests/services/zookeeper); without, the answer is 77."""
import contextlib
import sys

from chaos import SKIPPED, zookeeper_module
from local_cluster import Cluster, Failure, run_tests, test_arguments, wait_for
from run import CHECKPOINTS, HEARTBEATS, check_ledger, ledger

# A leader without a quorum waits for a quarter of the session that ZooKeeper has agreed to.
ASKED_SECONDS, SHORT_SECONDS = 120, 4
TESTS = {}


def test(agreed_seconds):
    def register(function):
        def run(program, folder):
            ensemble = zookeeper_module().Ensemble(folder / "zookeeper", 3)
            ensemble.session_max_ms = agreed_seconds * 1000
            settings = CHECKPOINTS + HEARTBEATS + [
                "high-availability.type=zookeeper", f"high-availability.storageDir={folder / 'ha'}",
                f"high-availability.zookeeper.quorum={ensemble.quorum()}",
                f"high-availability.zookeeper.client.session-timeout={ASKED_SECONDS}s", "rest.await-leader-timeout=1s"]
            try:
                ensemble.start()
                with Cluster(program, folder, settings) as cluster:
                    function(cluster, folder, ensemble)
            finally:
                ensemble.stop()
        TESTS[function.__name__] = run
        return function
    return register


def start(cluster, folder, numbers):
    """Two JobManagers, of which the first leads, and a job that runs."""
    cluster.start_job_manager()
    first = cluster.url
    wait_for("it leads", lambda: "leads, with token" in cluster.job_managers[0].text())
    cluster.start_job_manager()
    cluster.url = first
    cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
    cluster.wait_slots(2)
    script, out = ledger(folder, numbers, 1000)
    job = cluster.run(script)
    cluster.wait_state(job, "RUNNING")
    wait_for("a checkpoint", lambda: cluster.completed_checkpoints(job))
    return job, out


@test(ASKED_SECONDS)
def a_short_loss_of_the_quorum_stops_nothing(cluster, folder, ensemble):
    numbers = 15000
    job, out = start(cluster, folder, numbers)
    processes = cluster.job_managers[0].children() + cluster.task_managers[0].children()
    for server in (0, 1, 2):  # one by one: what is left is a quorum
        ensemble.end(server)
        before = cluster.completed_checkpoints(job)
        wait_for("checkpoints go on", lambda before=before: cluster.completed_checkpoints(job) > before)
        ensemble.up(server)
        wait_for("it serves again", lambda server=server: ensemble.serves(server))
    for server in (0, 1):  # what is left is none
        ensemble.end(server)
    wait_for("it is noticed", lambda: "the connection with ZooKeeper is lost" in cluster.job_managers[0].text())
    before = cluster.completed_checkpoints(job)
    wait_for("checkpoints go on without", lambda: cluster.completed_checkpoints(job) > before + 3)
    for server in (0, 1):
        ensemble.up(server)
    cluster.wait_state(job, "FINISHED")
    check_ledger(out, numbers)
    new = [pid for pid in cluster.job_managers[0].children() + cluster.task_managers[0].children() if pid not in processes]
    if new or "does not lead any more" in cluster.job_managers[0].text():
        raise Failure(f"a short loss has stopped something: {new}")


@test(SHORT_SECONDS)
def a_leader_without_a_quorum_steps_down_and_a_leader_comes_with_it(cluster, folder, ensemble):
    numbers = 20000
    job, out = start(cluster, folder, numbers)
    for server in (0, 1):
        ensemble.end(server)
    wait_for("it is noticed", lambda: "the connection with ZooKeeper is lost" in cluster.job_managers[0].text())
    wait_for("it steps down", lambda: "does not lead any more" in cluster.job_managers[0].text(),
             seconds=ASKED_SECONDS / 4 - 5)
    try:
        cluster.ask("GET", "/jobs/overview")
    except Failure as failure:
        if ": 503 " not in str(failure):
            raise
    else:
        raise Failure("a JobManager that does not lead has answered")
    for server in (0, 1):
        ensemble.up(server)

    def state():
        # Whoever leads; the other one sends on there.
        for manager_url in urls(cluster):
            with contextlib.suppress(Failure, OSError):
                cluster.url = manager_url
                return cluster.state(job)
        return None
    wait_for("the job has finished", lambda: state() == "FINISHED", 120)
    check_ledger(out, numbers)


@test(SHORT_SECONDS)
def a_standby_goes_on_when_the_leader_and_a_server_are_killed(cluster, folder, ensemble):
    numbers = 15000
    job, out = start(cluster, folder, numbers)
    ensemble.end(2)
    cluster.job_managers[0].kill()
    cluster.url = urls(cluster)[1]

    def finished():
        with contextlib.suppress(Failure, OSError):
            return cluster.state(job) == "FINISHED"
        return False
    wait_for("the standby leads, and the job has finished", finished, 120)
    check_ledger(out, numbers)


@test(SHORT_SECONDS)
def a_leader_that_is_killed_without_a_quorum_is_followed_when_there_is_one(cluster, folder, ensemble):
    numbers = 20000
    job, out = start(cluster, folder, numbers)
    addresses = urls(cluster)
    for server in (0, 1):
        ensemble.end(server)
    wait_for("it is noticed", lambda: "the connection with ZooKeeper is lost" in cluster.job_managers[0].text())
    cluster.job_managers[0].kill()
    cluster.start_job_manager()
    if any("leads, with token" in manager.text() for manager in cluster.job_managers[1:]):
        raise Failure("a JobManager leads that nobody can have elected")
    for server in (0, 1):
        ensemble.up(server)

    def finished():
        for address in addresses[1:]:
            cluster.url = address
            with contextlib.suppress(Failure, OSError):
                return cluster.state(job) == "FINISHED"
        return False
    wait_for("one of the others leads, and the job has finished", finished, 120)
    check_ledger(out, numbers)
    if sum("leads, with token" in manager.text() for manager in cluster.job_managers[1:]) != 1:
        raise Failure("not one JobManager has led after the first")


def urls(cluster):
    found = []
    for manager in cluster.job_managers:
        found.append(manager.text().rsplit(" for the cluster, ", 1)[1].split(" ", 1)[0])
    return found


def main():
    options = test_arguments(__doc__).parse_args()
    reason = None if options.list else zookeeper_module().why_not()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    return run_tests(TESTS, options)


if __name__ == "__main__":
    sys.exit(main())
