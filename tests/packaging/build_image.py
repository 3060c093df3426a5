#!/usr/bin/env python3
"""Builds the image of distribution/container/Containerfile with buildah, and runs each role in it, as check_container.py
does without an engine.

  build_image.py BUILD_DIRECTORY [BASE]

BASE is what the image is made from: a folder or a tar with the files of debian:12-slim, such as
`debootstrap --variant=minbase bookworm BASE` makes; else TIDEWHEEL_IMAGE_BASE names it. Without it, without buildah or
without root the answer is 77. Nothing is fetched, and the machine's own images are left alone."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import check_container
from check_container import CONTAINERFILE, ROOT, Image, check

SKIPPED = 77
NAME = "tidewheel"


def why_not(base):
    if os.geteuid() != 0:
        return "root is needed"
    if shutil.which("buildah") is None:
        return "there is no buildah"
    if not base:
        return "no base is named: debootstrap --variant=minbase bookworm BASE"
    return None if pathlib.Path(base).exists() else f"there is no {base}"


class Buildah:
    """With a storage of its own."""

    def __init__(self, scratch):
        self.prefix = ["buildah", "--storage-driver", "vfs", "--root", str(scratch / "storage"), "--runroot",
                       str(scratch / "run")]

    def __call__(self, *words):
        done = subprocess.run([*self.prefix, *map(str, words)], capture_output=True, text=True, timeout=600, check=False)
        check(f"buildah {words}: {done.stdout}{done.stderr}", done.returncode == 0)
        check(f"the image is built without warnings: {done.stderr}", "useradd warning" not in done.stderr)
        return done.stdout.strip()

    def make_base(self, base, name):
        container = self("from", "scratch")
        self("add", "--quiet", container, base, "/")
        self("commit", "--quiet", container, name)
        self("rm", container)


class Inside:
    """A process of the image: buildah passes signals on as SIGKILL, so that they go to the process itself."""

    def __init__(self, popen):
        self.popen = popen

    @property
    def returncode(self):
        return self.popen.returncode

    def send_signal(self, number):
        pid, inner = None, self.popen.pid
        while inner is not None:
            pid = inner
            children = [child for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
                        for child in task.read_text().split()]
            name = pathlib.Path(f"/proc/{pid}/comm").read_text()
            inner = int(children[0]) if children and "tidewheel" not in name else None
        os.kill(pid, number)

    def terminate(self):
        if self.popen.poll() is None:
            self.send_signal(signal.SIGTERM)

    def kill(self):
        self.popen.kill()

    def wait(self, seconds):
        return self.popen.wait(seconds)


class BuiltImage(check_container.Container):
    """The image, with its files where buildah mounts them."""

    def __init__(self, image, buildah, scratch):  # pylint: disable=super-init-not-called
        self.image, self.buildah, self.processes = image, buildah, []
        self.name = buildah("from", NAME)
        self.root = pathlib.Path(buildah("mount", self.name))
        self.logs = scratch

    def command(self, words, environment):
        settings = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return [*self.buildah.prefix, "run", "--isolation", "chroot", *settings, self.name, "--", *words]

    def start(self, *words, environment=None):
        with open(self.logs / f"log-{len(self.processes)}", "wb") as log:
            self.processes.append(Inside(subprocess.Popen(self.command([*self.image.entry, *words], environment or {}),
                                                          stdout=log, stderr=subprocess.STDOUT)))
        return self.processes[-1]

    def texts(self):
        return "".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.logs.glob("log-*")))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    base = sys.argv[2] if len(sys.argv) == 3 else os.environ.get("TIDEWHEEL_IMAGE_BASE", "")
    reason = why_not(base)
    if reason:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        scratch.chmod(0o755)
        subprocess.run([ROOT / "tools" / "package", sys.argv[1], scratch / "package"], check=True, stdout=subprocess.DEVNULL)
        image, buildah = Image(), Buildah(scratch)
        buildah.make_base(base, image.base)
        buildah("bud", "--isolation", "chroot", "--pull-never", "-t", NAME, "-f", CONTAINERFILE, scratch / "package")
        container = BuiltImage(image, buildah, scratch)
        try:
            check("its user has a group of its own", container.run("id", "-g").strip() == str(image.uid))
            check_container.check_libraries(container)
            check_container.check_roles(container)
            check_container.check_application(container)
        finally:
            container.close()
            buildah("umount", container.name)
            buildah("rm", container.name)
    print(f"the image is built, and runs each role as {image.user}")


if __name__ == "__main__":
    main()
