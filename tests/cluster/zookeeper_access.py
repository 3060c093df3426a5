#!/usr/bin/env python3
"""Clusters whose ZooKeeper wants to know who they are, or says by TLS who it is: a cluster that is told what it has to
prove elects a leader and runs a job, and is found again when the server was away; one that proves something else does not.

  tests/cluster/zookeeper_access.py --program build/release/bin/tidewheel [TEST...]

The servers come from ZOOKEEPER_HOME (tests/services/zookeeper); without, the answer is 77."""
import struct
import socket
import sys

from chaos import SKIPPED, zookeeper_module
from local_cluster import Cluster, Failure, Process, run_tests, test_arguments, wait_for
from run import CHECKPOINTS, HEARTBEATS, check_ledger, ledger
from secure import make_certificates, openssl

PATH = "/tidewheel/default/jobs"
PASSWORD = "a password, of the test"
TESTS = {}


def test(function):
    def run(program, folder):
        ensemble = zookeeper_module().Ensemble(folder / "zookeeper")
        try:
            function(program, folder, ensemble)
        finally:
            ensemble.stop()
    TESTS[function.__name__] = run
    return run


def settings_of(folder, quorum, *more):
    return CHECKPOINTS + HEARTBEATS + [
        "high-availability.type=zookeeper", f"high-availability.storageDir={folder / 'ha'}",
        f"high-availability.zookeeper.quorum={quorum}", "high-availability.zookeeper.client.session-timeout=120s",
        "rest.await-leader-timeout=1s", *more]


def run_cluster(program, folder, ensemble, settings, numbers=8000):
    """A cluster whose ZooKeeper goes away for a moment while a job runs."""
    with Cluster(program, folder / "cluster", settings) as cluster:
        cluster.start_job_manager()
        wait_for("it leads", lambda: "leads, with token" in cluster.job_managers[0].text())
        cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
        cluster.wait_slots(2)
        script, out = ledger(folder, numbers, 1000)
        job = cluster.run(script)
        cluster.wait_state(job, "RUNNING")
        ensemble.end(0)
        wait_for("it is noticed", lambda: "the connection with ZooKeeper is lost" in cluster.job_managers[0].text())
        ensemble.up(0)
        wait_for("it goes on", lambda: "the connection with ZooKeeper is there again" in cluster.job_managers[0].text())
        cluster.wait_state(job, "FINISHED")
        check_ledger(out, numbers)
        if PASSWORD in "".join(manager.text() for manager in cluster.job_managers):
            raise Failure("a log has the password")


def run_refused(program, folder, settings, why):
    """A JobManager that says why it can't lead, and goes on trying."""
    with Cluster(program, folder / "refused", settings) as cluster:
        process = Process("jobmanager", cluster.command("jobmanager", ["-Djobmanager.rpc.port=0", "-Drest.port=0"]),
                          folder / "refused")
        cluster.job_managers.append(process)
        wait_for(f"it says '{why}'", lambda: why in process.text(), 30)
        if "leads, with token" in process.text() or not process.running():
            raise Failure(f"it leads, or has ended:\n{process.text()}")
        if process.text().count(why) > 3:
            raise Failure(f"it says the same again and again:\n{process.text()}")


class Stranger:
    """Asks a server of ZooKeeper without saying who it is."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.send(struct.pack(">iqiqi16s?", 0, 0, 4000, 0, 16, bytes(16), False))
        self.receive()

    def send(self, record):
        self.socket.sendall(struct.pack(">i", len(record)) + record)

    def receive(self):
        size = struct.unpack(">i", self.exactly(4))[0]
        return self.exactly(size)

    def exactly(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise Failure("ZooKeeper has hung up")
            got += more
        return got

    def error_of_children(self, path):
        self.send(struct.pack(f">iii{len(path)}s?", 1, 8, len(path), path.encode(), False))
        return struct.unpack(">i", self.receive()[12:16])[0]

    def rules(self, path):
        """(scheme, id) of all who may do something with a node."""
        self.send(struct.pack(f">iii{len(path)}s", 2, 6, len(path), path.encode()))
        answer = self.receive()
        if struct.unpack(">i", answer[12:16])[0] != 0:
            raise Failure(f"ZooKeeper does not tell the rules of {path}")
        count, at, rules = struct.unpack(">i", answer[16:20])[0], 20, []
        for _ in range(count):
            at += 4  # what is allowed
            texts = []
            for _ in range(2):
                size = struct.unpack(">i", answer[at:at + 4])[0]
                texts.append(answer[at + 4:at + 4 + size].decode())
                at += 4 + size
            rules.append(tuple(texts))
        return rules


def check(what, found, wanted):
    if found != wanted:
        raise Failure(f"{what}: {found}, not {wanted}")


@test
def nodes_are_open_to_all_unless_it_is_said(program, folder, ensemble):
    ensemble.start()
    run_cluster(program, folder, ensemble, settings_of(folder, ensemble.quorum()))
    stranger = Stranger(ensemble.host, ensemble.ports[0][0])
    check("what a stranger is told", stranger.error_of_children(PATH), 0)
    check("rules", stranger.rules(PATH), [("world", "anyone")])


@test
def nodes_of_a_creator_are_kept_by_digest(program, folder, ensemble):
    ensemble.start()
    creator = "high-availability.zookeeper.client.acl=creator"
    proof = "high-availability.zookeeper.client.authorization="
    run_cluster(program, folder, ensemble,
                settings_of(folder, ensemble.quorum(), creator, f"{proof}digest:me:{PASSWORD}"))
    check("what a stranger is told", Stranger(ensemble.host, ensemble.ports[0][0]).error_of_children(PATH), -102)
    run_refused(program, folder, settings_of(folder, ensemble.quorum(), f"{proof}magic:word"),
                "does not believe high-availability.zookeeper.client.authorization")


@test
def sasl_lets_in_who_knows_the_password(program, folder, ensemble):
    ensemble.use_sasl("bob", PASSWORD)
    ensemble.start()
    user = ["zookeeper.sasl.username=bob", "high-availability.zookeeper.client.acl=creator"]
    run_refused(program, folder, settings_of(folder, ensemble.quorum(), *user, "zookeeper.sasl.password=a guess"),
                "zookeeper.sasl.password right?")
    run_refused(program, folder, settings_of(folder, ensemble.quorum()), "wants SASL")
    run_cluster(program, folder, ensemble,
                settings_of(folder, ensemble.quorum(), *user, f"zookeeper.sasl.password={PASSWORD}"))


@test
def sasl_names_the_creator(program, folder, ensemble):
    ensemble.use_sasl("bob", PASSWORD)
    ensemble.lines.remove("sessionRequireClientSASLAuth=true")
    ensemble.start()
    run_cluster(program, folder, ensemble, settings_of(
        folder, ensemble.quorum(), "zookeeper.sasl.username=bob", f"zookeeper.sasl.password={PASSWORD}",
        "high-availability.zookeeper.client.acl=creator"))
    stranger = Stranger(ensemble.host, ensemble.ports[0][0])
    check("what a stranger is told", stranger.error_of_children(PATH), -102)


@test
def sasl_that_is_not_offered_is_told(program, folder, ensemble):
    ensemble.start()
    run_refused(program, folder, settings_of(
        folder, ensemble.quorum(), "zookeeper.sasl.username=bob", f"zookeeper.sasl.password={PASSWORD}"),
        "does not offer DIGEST-MD5")
    run_cluster(program, folder, ensemble, settings_of(
        folder, ensemble.quorum(), "zookeeper.sasl.username=bob", "zookeeper.sasl.disable=true"))


@test
def both_sides_prove_by_tls_who_they_are(program, folder, ensemble):
    make_certificates(folder, "ours")
    make_certificates(folder, "strangers")
    for name in ("ours", "strangers"):
        own = folder / f"{name}-both.pem"
        own.write_text((folder / f"{name}-own.pem").read_text() + (folder / f"{name}.key").read_text())
    ensemble.use_tls(folder / "ours-both.pem", folder / "ours.pem")
    ensemble.use_sasl("bob", PASSWORD)
    ensemble.start()
    quorum = ensemble.quorum(secure=True)
    tls = ["security.ssl.zookeeper.enabled=true", "zookeeper.sasl.username=bob", f"zookeeper.sasl.password={PASSWORD}"]
    own = f"security.ssl.zookeeper.keystore={folder / 'ours-both.pem'}"
    trusted = f"security.ssl.zookeeper.truststore={folder / 'ours.pem'}"
    run_cluster(program, folder, ensemble, settings_of(folder, quorum, *tls, own, trusted))
    run_refused(program, folder, settings_of(
        folder, quorum, *tls, own, f"security.ssl.zookeeper.truststore={folder / 'strangers.pem'}"),
        "certificate verify failed")
    run_refused(program, folder, settings_of(
        folder, quorum, *tls, trusted, f"security.ssl.zookeeper.keystore={folder / 'strangers-both.pem'}"),
        "ZooKeeper can't be reached")


@test
def a_certificate_for_another_host_is_not_believed(program, folder, ensemble):
    make_certificates(folder, "ours")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.csr", "-subj", "/CN=elsewhere")
    openssl(folder, "x509", "-req", "-in", "other.csr", "-CA", "ours.pem", "-CAkey", "ours-ca.key", "-CAcreateserial",
            "-days", "2", "-out", "other.pem")
    (folder / "both.pem").write_text((folder / "other.pem").read_text() + (folder / "other.key").read_text())
    ensemble.use_tls(folder / "both.pem", folder / "ours.pem")
    ensemble.lines.append("ssl.clientAuth=none")
    ensemble.start()
    tls = ["security.ssl.zookeeper.enabled=true", f"security.ssl.zookeeper.truststore={folder / 'ours.pem'}"]
    quorum = ensemble.quorum(secure=True)
    run_refused(program, folder, settings_of(folder, quorum, *tls), "certificate verify failed")
    run_cluster(program, folder, ensemble, settings_of(folder, quorum, *tls, "security.ssl.verify-hostname=false"))


def main():
    options = test_arguments(__doc__).parse_args()
    reason = None if options.list else zookeeper_module().why_not()
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    return run_tests(TESTS, options)


if __name__ == "__main__":
    sys.exit(main())
