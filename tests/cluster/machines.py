"""Machines for tests of clusters, in network namespaces of this one: each with an address of its own, which can be cut
off, lose packets and be slow. Without root, or where the kernel has no such thing, there are none, and it says so."""
import contextlib
import itertools
import os
import subprocess


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.returncode == 0


def why_not():
    """What is missing for namespaces with filters, or nothing."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    name = f"tw{os.getpid()}-try"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "exec", name, "iptables", "-A", "INPUT", "-m", "statistic", "--mode", "random",
            "--probability", "0.1", "-j", "DROP")
        run("ip", "link", "add", f"{name}b", "type", "bridge")
    except (RuntimeError, OSError) as missing:
        return f"no network namespaces here: {missing}"
    finally:
        with contextlib.suppress(OSError):
            run("ip", "netns", "del", name, check=False)
            run("ip", "link", "del", f"{name}b", check=False)
    return None


class Machines:
    """Named machines on one bridge; the bridge's own address is this machine's."""

    def __init__(self, names):
        self.prefix = f"tw{os.getpid()}"
        self.net = f"10.{100 + os.getpid() // 250 % 100}.{os.getpid() % 250}"
        self.address = {name: f"{self.net}.{i + 10}" for i, name in enumerate(names)}
        self.here = f"{self.net}.1"
        self.bridge = f"{self.prefix}b"

    def __enter__(self):
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.here}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for i, name in enumerate(self.address):
            space, outside = self.space(name), f"{self.prefix}v{i}"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "link", "set", outside, "master", self.bridge, "up")
            run("ip", "-n", space, "addr", "add", f"{self.address[name]}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")
        return self

    def __exit__(self, *unused):
        for name in self.address:
            run("ip", "netns", "del", self.space(name), check=False)
        run("ip", "link", "del", self.bridge, check=False)

    def space(self, name):
        return f"{self.prefix}-{name}"

    def inside(self, name):
        """What goes before a command to run it there."""
        return ["ip", "netns", "exec", self.space(name)]

    # ---- What is wrong with the network; all of it ends with `heal`.

    def filter(self, name, *rule):
        run(*self.inside(name), "iptables", "-A", *rule, "-j", "DROP")

    def cut(self, name, other, one_way):
        """Nothing of `other` arrives at `name`, or of either at the other."""
        self.filter(name, "INPUT", "-s", self.address[other])
        if not one_way:
            self.filter(other, "INPUT", "-s", self.address[name])

    def isolate(self, name):
        self.filter(name, "INPUT", "-i", "eth0")
        self.filter(name, "OUTPUT", "-o", "eth0")

    def lose(self, name, share):
        for chain in ("INPUT", "OUTPUT"):
            self.filter(name, chain, "-m", "statistic", "--mode", "random", "--probability", str(share))

    def slow(self, name, kilobits):
        run("tc", "-n", self.space(name), "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{kilobits}kbit",
            "burst", "8k", "latency", "400ms")

    def heal(self, name=None):
        for each in [name] if name else self.address:
            run(*self.inside(each), "iptables", "-F")
            run("tc", "-n", self.space(each), "qdisc", "del", "dev", "eth0", "root", check=False)

    def pairs(self):
        return list(itertools.permutations(self.address, 2))
