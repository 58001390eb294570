"""What a test keeps apart from the rest of the machine: a network, a disk. Both need root; without it, or where the
system forbids it, `Failed` says so, and the scenario counts as not carried out."""

import contextlib
import os
import shutil
import subprocess

from failed import Failed


def run(*words):
    """Runs a command of the system, which may lie in sbin; `Failed` says what it said."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    program = shutil.which(words[0], path=path)
    if not program:
        raise Failed(f"{words[0]} is missing: deploy/install-dependencies")
    done = subprocess.run([program, *map(str, words[1:])], capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
        raise Failed(f"`{' '.join(map(str, words))}`: {said}{'' if os.geteuid() == 0 else ' (it needs root)'}")


class Network:
    """A network namespace with a single way out, whose processes reach the backends outside of it, and nothing else.

    It can be cut in two ways. Unplugged, the own end knows: every attempt fails at once. Silent, nothing knows: the
    other end drops what comes and what goes, as a dead switch would."""

    def __init__(self):
        number = os.getpid() % 254
        self.name = f"spillway-{os.getpid()}"
        self.far_end = f"sw{os.getpid()}"
        self.inside, self.outside = f"10.231.{number}.2", f"10.231.{number}.1"

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        try:
            self.lay_cable()
        except BaseException:
            self.__exit__()
            raise
        return self

    def lay_cable(self):
        run("ip", "link", "add", self.far_end, "type", "veth", "peer", "name", "uplink", "netns", self.name)
        run("ip", "address", "add", f"{self.outside}/30", "dev", self.far_end)
        run("ip", "link", "set", self.far_end, "up")
        run("ip", "-n", self.name, "address", "add", f"{self.inside}/30", "dev", "uplink")
        run("ip", "-n", self.name, "link", "set", "uplink", "up")
        run("ip", "-n", self.name, "link", "set", "lo", "up")

    def __exit__(self, *_):
        self.hear_again()
        with contextlib.suppress(Failed):
            run("ip", "link", "delete", self.far_end)
        with contextlib.suppress(Failed):
            run("ip", "netns", "delete", self.name)

    def command(self, words):
        """The same command, started within; its process id stays the child's."""
        return ["ip", "netns", "exec", self.name, *words]

    def unplug(self):
        run("ip", "-n", self.name, "link", "set", "uplink", "down")

    def plug_in(self):
        run("ip", "-n", self.name, "link", "set", "uplink", "up")

    def fall_silent(self):
        # What goes has no way; what comes is from where there is no way back, and is dropped for that.
        run("ip", "route", "add", "blackhole", f"{self.inside}/32")

    def hear_again(self):
        with contextlib.suppress(Failed):
            run("ip", "route", "delete", "blackhole", f"{self.inside}/32")


class Disk:
    """A file system of a few megabytes at a directory; what is on it is left there when it goes."""

    def __init__(self, directory, size):
        self.directory = directory
        self.size = size
        self.filler = directory / "filler"

    def __enter__(self):
        self.directory.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={self.size},mode=700", "tmpfs", self.directory)
        return self

    def __exit__(self, *_):
        self.free()
        kept = self.directory.with_suffix(".kept")
        shutil.copytree(self.directory, kept)
        run("umount", self.directory)
        self.directory.rmdir()
        kept.rename(self.directory)

    def fill(self):
        """To the last byte. What files have begun of a block of theirs they can still use."""
        with open(self.filler, "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass

    def free(self):
        self.filler.unlink(missing_ok=True)
