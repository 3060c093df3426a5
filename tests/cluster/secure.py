#!/usr/bin/env python3
"""A cluster whose processes prove to each other who they are, with REST over HTTPS, and its command line client.

  tests/cluster/secure.py --program build/release/bin/tidewheel"""
import argparse
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import urllib.request

from local_cluster import Cluster, Failure, wait_for
from run import check_ledger, ledger

PASSWORD = "a password of the test"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(folder, name):
    """An authority, and a certificate of it for localhost: stores NAME.p12 and NAME-trust.p12, and NAME.pem."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-ca.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", f"/CN={name} authority")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", "/CN=localhost")
    (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{name}.pem", "-CAkey", f"{name}-ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}-own.pem")
    openssl(folder, "pkcs12", "-export", "-in", f"{name}-own.pem", "-inkey", f"{name}.key", "-certfile", f"{name}.pem",
            "-passout", f"pass:{PASSWORD}", "-out", f"{name}.p12")
    openssl(folder, "pkcs12", "-export", "-nokeys", "-in", f"{name}.pem", "-passout", f"pass:{PASSWORD}",
            "-out", f"{name}-trust.p12")


def settings_of(folder, kind, name):
    return [f"security.ssl.{kind}.enabled=true",
            f"security.ssl.{kind}.keystore={folder / name}.p12", f"security.ssl.{kind}.keystore-password={PASSWORD}",
            f"security.ssl.{kind}.key-password={PASSWORD}",
            f"security.ssl.{kind}.truststore={folder / name}-trust.p12",
            f"security.ssl.{kind}.truststore-password={PASSWORD}"]


class SecureCluster(Cluster):
    """Asked over HTTPS, by one who trusts its authority alone."""

    def __init__(self, program, folder, settings, trusted):
        super().__init__(program, folder, settings)
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(trusted))))
        urllib.request.install_opener(opener)


def client(cluster, settings, *arguments):
    address = cluster.url.split("//", 1)[1]
    return subprocess.run([cluster.program, *arguments, "-m", address, *[f"-D{one}" for one in settings]],
                          capture_output=True, text=True, timeout=60, check=False)


def check(what, condition):
    if not condition:
        raise Failure(what)


def speaks_only_tls(port):
    """Who sends something else is hung up on."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.settimeout(10)
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            return not peer.recv(1 << 16).startswith(b"HTTP")
        except ConnectionResetError:
            return True


def run_it(program, folder):
    make_certificates(folder, "ours")
    make_certificates(folder, "strangers")
    rest = settings_of(folder, "rest", "ours")
    settings = settings_of(folder, "internal", "ours") + rest + [
        "execution.checkpointing.interval=200ms", "heartbeat.interval=200ms", "heartbeat.timeout=3s"]
    with SecureCluster(program, folder, settings, folder / "ours.pem") as cluster:
        cluster.start_job_manager()
        check(f"REST is at {cluster.url}", cluster.url.startswith("https://"))
        for _ in range(2):
            cluster.start_task_manager("-Dtaskmanager.numberOfTaskSlots=2", "-Dtaskmanager.memory.process.size=1g")
        cluster.wait_slots(4)
        print("ok     managers find each other over TLS", flush=True)
        check("the port of managers takes plain bytes", speaks_only_tls(cluster.rpc_port))
        check("REST takes plain bytes", speaks_only_tls(int(cluster.url.rsplit(":", 1)[1])))
        print("ok     who speaks no TLS is hung up on", flush=True)

        script, out = ledger(folder, 20000, 10000, parallelism=4)
        ran = client(cluster, rest, "run", "-d", "--json", str(script))
        check(f"run over HTTPS: {ran.returncode} {ran.stdout} {ran.stderr}", ran.returncode == 0)
        job = json.loads(ran.stdout)["jobid"]
        cluster.wait_state(job, "RUNNING", "FINISHED")
        listed = client(cluster, rest, "list", "-a")
        check(f"list: {listed.stdout} {listed.stderr}", listed.returncode == 0 and job[:8] in listed.stdout)
        cluster.wait_state(job, "FINISHED")
        check_ledger(out, 20000)
        print("ok     a job is run by the client over HTTPS, its rows go over TLS", flush=True)

        refused = client(cluster, settings_of(folder, "rest", "strangers"), "list")
        check(f"a client that trusts others: {refused.stdout}", refused.returncode != 0)
        stranger = [f"-D{one}" for one in settings_of(folder, "internal", "strangers")]
        process = subprocess.Popen(cluster.command("taskmanager", [f"-Djobmanager.rpc.port={cluster.rpc_port}", *stranger]),
                                   stdout=subprocess.DEVNULL, stderr=open(folder / "stranger.log", "wb"))
        try:
            wait_for("the stranger is refused", lambda: "certificate" in (folder / "stranger.log").read_text(errors="replace"), 20)
            check("a stranger's slots were taken", cluster.get("/overview")["slots-total"] == 4)
        finally:
            process.kill()
            process.wait()
        print("ok     a TaskManager with another authority's certificate is refused", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/bin/tidewheel")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidewheel-secure-"))
    try:
        run_it(pathlib.Path(options.program).resolve(), folder)
    except Failure as failure:
        print(f"FAILED {failure}\nfiles are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    print("all passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
