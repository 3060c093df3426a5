#!/usr/bin/env python3
"""What distribution/container/Containerfile says, without a container engine: the files that it copies are there, and its
entry point runs each role in a root that has a Debian and the packaged tree only, as the image's user and with its environment.

  check_container.py BUILD_DIRECTORY

The root takes root, and namespaces; without them only the files are looked at. build_image.py does it with an engine."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "distribution" / "container" / "Containerfile"
# What an image of Debian has, and what the machine lends it.
SYSTEM = ("usr", "bin", "sbin", "lib", "lib64")
LENT = ("usr", "dev", "proc")
OF_THE_SYSTEM = ("linux-vdso", "ld-linux", "/lib64/ld-linux", "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so",
                 "libresolv.so")


def check(what, condition):
    if not condition:
        sys.exit(f"not so: {what}")


class Image:
    """The Containerfile, read."""

    def __init__(self):
        self.base, self.copies, self.environment, self.arguments = "", [], {}, {}
        self.user, self.uid, self.folder, self.entry, self.command = "", 0, "/", [], []
        for line in CONTAINERFILE.read_text().replace("\\\n", " ").splitlines():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                self.base = rest
            elif word == "RUN":
                found = re.fullmatch(r"useradd .*--uid (\d+) (\w+)", rest)
                check(f"RUN makes a user: {rest}", found)
                self.uid = int(found.group(1))
            elif word == "ARG":
                name, _, value = rest.partition("=")
                self.arguments[name] = value
            elif word == "COPY":
                words = [one for one in rest.split() if not one.startswith("--")]
                self.copies.append(tuple(re.sub(r"\$\{(\w+)\}", lambda one: self.arguments[one.group(1)], one)
                                         for one in words))
            elif word == "ENV":
                for name, value in re.findall(r"(\w+)=(\S+)", rest):
                    self.environment[name] = value
            elif word in ("USER", "WORKDIR"):
                setattr(self, {"USER": "user", "WORKDIR": "folder"}[word], rest)
            elif word in ("ENTRYPOINT", "CMD"):
                setattr(self, {"ENTRYPOINT": "entry", "CMD": "command"}[word], json.loads(rest))
            else:
                check(f"the test knows what {word} does", not word or word.startswith("#") or word == "EXPOSE")


def stage(image, context, root):
    """Copies what COPY copies, as it does: folders as they are, into a folder of the root."""
    for source, target in image.copies:
        found = sorted(context.glob(source.rstrip("/")))
        check(f"COPY {source} means one folder of {context}: {found}", len(found) == 1 and found[0].is_dir())
        shutil.copytree(found[0], root / target.strip("/"), symlinks=True, dirs_exist_ok=True)
    entry = root / image.entry[0].strip("/")
    check(f"the entry point {image.entry[0]} is a program", entry.is_file() and os.access(entry, os.X_OK))
    check(f"the folder {image.folder} is there", (root / image.folder.strip("/")).is_dir())
    for name in ("TIDEWHEEL_CONF_DIR",):
        check(f"{name} is there", (root / image.environment[name].strip("/") / "config.yaml").is_file())


class Container:
    """A root with the staged files, in which commands run as `docker run` would run them."""

    def __init__(self, image, root):
        self.image, self.root, self.processes = image, root, []
        for name in SYSTEM:
            host = pathlib.Path("/") / name
            if host.is_symlink():
                (root / name).symlink_to(os.readlink(host))
            elif name not in LENT and host.is_dir():
                check(f"/{name} is a link into /usr, as in {image.base}", False)
        for name in (*LENT, "tmp", "etc"):
            (root / name).mkdir(exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "etc/passwd").write_text(f"root:x:0:0::/root:/bin/sh\n{image.user}:x:{image.uid}:{image.uid}::"
                                         f"{image.folder}:/bin/sh\n")
        (root / "etc/group").write_text(f"root:x:0:\n{image.user}:x:{image.uid}:\n")
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (root / "etc/nsswitch.conf").write_text("hosts: files\n")
        for path in [root / "opt", *(root / "opt").rglob("*")]:
            os.lchown(path, image.uid, image.uid)

    def command(self, words, environment):
        whole = {**self.image.environment, **environment}
        whole["PATH"] = whole["PATH"].replace("$PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        mounts = "; ".join(f"mount --rbind /{name} '{self.root}/{name}'" for name in LENT)
        inside = ["chroot", str(self.root), "setpriv", f"--reuid={self.image.uid}", f"--regid={self.image.uid}",
                  "--clear-groups", "env", "-i", f"--chdir={self.image.folder}",
                  *(f"{name}={value}" for name, value in whole.items()), *words]
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", mounts + '; exec "$@"', "sh", *inside]

    def run(self, *words, environment=None, status=0):
        """What `docker run IMAGE WORDS` says."""
        result = subprocess.run(self.command([*self.image.entry, *words], environment or {}), capture_output=True, text=True,
                                timeout=120, check=False)
        check(f"{words} ends with {status}, not {result.returncode}: {result.stdout}{result.stderr}",
              result.returncode == status)
        return result.stdout + result.stderr

    def start(self, *words, environment=None):
        with open(self.root / f"log-{len(self.processes)}", "wb") as log:
            self.processes.append(subprocess.Popen(self.command([*self.image.entry, *words], environment or {}), stdout=log,
                                                   stderr=subprocess.STDOUT))
        return self.processes[-1]

    def texts(self):
        return "".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.root.glob("log-*")))

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return one.getsockname()[1]


def wait_for(container, what, condition):
    deadline = time.monotonic() + 60
    while not condition():
        check(f"{what} within a minute: {container.texts()}", time.monotonic() < deadline)
        time.sleep(0.05)


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=3) as answer:
            return json.loads(answer.read())
    except OSError:
        return {}


def check_libraries(container):
    """All but the C library come along: an image of Debian has no other."""
    lines = subprocess.run(container.command(["ldd", "/opt/tidewheel/bin/tidewheel"], {}), capture_output=True, text=True,
                           check=True).stdout.splitlines()
    for line in lines:
        name, _, place = line.strip().partition(" => ")
        check(f"{line} comes with the tree", name.startswith(OF_THE_SYSTEM)
              or os.path.normpath(place.split(" (")[0]).startswith("/opt/tidewheel/lib/"))


def check_roles(container):
    check("the help names the roles", "taskmanager" in container.run(*container.image.command))
    check("commands run", "tidewheel " in container.run("tidewheel", "--version"))
    check("the user is not root", container.run("id", "-u").strip() == str(container.image.uid))
    rpc, rest = free_port(), free_port()
    where = {"JOB_MANAGER_RPC_ADDRESS": "localhost",
             "TIDEWHEEL_PROPERTIES": f"# of both\njobmanager.rpc.port: {rpc}\nrest.port: {rest}  # of REST\n"
                                     "taskmanager.memory.process.size: 1g\n"}
    manager = container.start("jobmanager", environment=where)
    container.start("taskmanager", environment={**where, "TASK_MANAGER_NUMBER_OF_TASK_SLOTS": "3"})
    wait_for(container, "slots are there", lambda: ask(rest, "/overview").get("slots-total") == 3)
    (container.root / "tmp/numbers.sql").write_text(
        "CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1000');\n"
        "CREATE TABLE r (n BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO r SELECT n FROM n;\n")
    told = container.run("tidewheel", "run", "-m", f"localhost:{rest}", "/tmp/numbers.sql")
    check(f"the job has ended: {told}", "has finished" in told)
    wrong = container.run("tidewheel", "list", "-m", ":x", status=2)
    check(f"mistakes have their status: {wrong}", "HOST:PORT" in wrong)
    # What an engine sends to stop a container.
    manager.send_signal(signal.SIGTERM)
    check(f"it ends when told to: {manager.wait(30)}", manager.returncode in (0, -signal.SIGTERM, 143))


def check_application(container):
    rpc, rest = free_port(), free_port()
    where = {"TIDEWHEEL_PROPERTIES": f"jobmanager.rpc.port: {rpc}\nrest.port: {rest}\n"}
    application = container.start("standalone-job", "--application", "/tmp/numbers.sql", environment=where)
    container.start("taskmanager", environment={**where, "JOB_MANAGER_RPC_ADDRESS": "localhost"})
    check(f"the application has ended well: {container.texts()}", application.wait(60) == 0)


def has_namespaces():
    return os.geteuid() == 0 and shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        scratch.chmod(0o755)
        subprocess.run([ROOT / "tools" / "package", sys.argv[1], scratch / "package"], check=True, stdout=subprocess.DEVNULL)
        root = scratch / "root"
        root.mkdir()
        image = Image()
        stage(image, scratch / "package", root)
        if not has_namespaces():
            print("the image's files are there; without root and namespaces its entry point was not run")
            return
        container = Container(image, root)
        try:
            check_libraries(container)
            check_roles(container)
            check_application(container)
        finally:
            container.close()
    print(f"the image's files are there, and its entry point runs each role as {image.user}")


if __name__ == "__main__":
    main()
