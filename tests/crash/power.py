# SPDX-License-Identifier: BSD-2-Clause
"""A platform whose store is on a file system that forgets: crashfs.c."""

import contextlib
import ctypes
import os
import pathlib
import random
import select
import signal
import subprocess
import time

from support.platform import Platform

CLONE_NEWTIME = 0x80


def why_not(build):
    """Why there can be no power cut here, or None."""
    if not (pathlib.Path(build) / "tests/crash/crashfs").exists():
        return "crashfs is not built: libfuse3 was not there"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be used"
    if os.geteuid() != 0:
        return "mounting for other users needs root"
    return None


def machine_starts():
    """A time namespace in which the machine has been up for no time at all."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWTIME) != 0:
        return  # a kernel without them: locks just last longer
    up = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    seconds, rest = divmod(-up + 1000000, 1000000000)
    with open("/proc/self/timens_offsets", "w") as f:
        f.write("boottime %d %d\n" % (seconds, rest))


def is_there(pid):
    """A process that is not yet a mere entry for its parent to read."""
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


class CrashFs:
    """One mounted crashfs and its commands."""

    def __init__(self, program, mountpoint):
        self.mountpoint = mountpoint
        self.process = subprocess.Popen(
            [str(program), str(mountpoint)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.rest = b""
        self.early_frozen = False
        self._answer()

    def _line(self, seconds):
        """The next line, or None when there is none in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select(
                    [self.process.stdout], [], [], left)[0]:
                return None
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                raise RuntimeError("crashfs has ended")
            self.rest += got
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def _answer(self):
        while True:
            line = self._line(60)
            if line is None:
                raise RuntimeError("crashfs does not answer")
            if line == "frozen":
                self.early_frozen = True
                continue
            if not line.endswith("ok"):
                raise RuntimeError("crashfs: %s" % line)
            return line

    def command(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def changes(self):
        return int(self.command("count").split()[0])

    def wait_frozen(self, seconds):
        """True when the armed freeze came by itself."""
        frozen = self.early_frozen or self._line(seconds) == "frozen"
        self.early_frozen = False
        return frozen

    def close(self):
        with contextlib.suppress(OSError, RuntimeError):
            self.process.stdin.write(b"quit\n")
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", "-l", str(self.mountpoint)], check=False,
                       stderr=subprocess.DEVNULL)


class Ext4:
    """An ext4 whose disk is a file on crashfs: the disk's own cache forgets,
    and the file system's journal has to cope with what is left."""

    SIZE = 160 << 20

    def __init__(self, disk, store):
        self.image, self.store, self.loop = disk / "image", store, None
        with open(self.image, "wb") as f:
            f.truncate(self.SIZE)
        self._run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()

    @staticmethod
    def _run(*argv, check=True):
        got = subprocess.run([str(a) for a in argv], capture_output=True,
                             text=True, check=False)
        if check and got.returncode != 0:
            raise RuntimeError("%s: %s" % (argv, got.stderr))
        return got.stdout.strip()

    def mount(self):
        self.loop = self._run("losetup", "-f", "--show", self.image)
        self._run("mount", "-t", "ext4", self.loop, self.store)

    def drop(self):
        """Lets go of what has no disk any more."""
        self._run("umount", "-l", self.store, check=False)
        self._run("losetup", "-d", self.loop, check=False)


class PowerPlatform(Platform):
    """A platform with its store on crashfs, or on an ext4 above it, and a
    switch for its power."""

    def __init__(self, root, build, ext4=False, **how):
        super().__init__(root, build, **how)
        store = self.root / "store"
        disk = self.root / "disk" if ext4 else store
        store.mkdir(parents=True)
        disk.mkdir(exist_ok=True)
        self.fs = CrashFs(self.build / "tests/crash/crashfs", disk)
        self.ext4 = Ext4(disk, store) if ext4 else None

    def kill_all(self, timeout=20):
        """kill -9 of everything, hikyakud first, so that nothing restarts."""
        deadline = time.monotonic() + timeout
        self.killed = killed = set()
        quiet = 0
        # Again: a process between fork and exec is easily overlooked.
        while quiet < 3:
            alive = self.processes()
            order = sorted(set(alive) - killed, key=lambda pid: not alive[
                pid][0].endswith("/hikyakud"))
            for pid in order:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Whoever waits for a frozen file system stays until it answers.
            quiet = 0 if order else quiet + 1
            time.sleep(0.005 if quiet else 0)
            if time.monotonic() > deadline:
                raise RuntimeError("still there: %s" % alive)

    def wait_gone(self, timeout=20):
        """Until the kernel has closed what they had open."""
        deadline = time.monotonic() + timeout
        while any(map(is_there, self.killed)):
            if time.monotonic() > deadline:
                raise RuntimeError("still there: %s" % self.killed)
            time.sleep(0.002)

    def power_cut(self, dice):
        """The frozen file system loses its power; answers what was chosen."""
        self.kill_all()
        chance = dice.choice((0, 0, 32, 128, 128, 224, 256))
        tear = dice.randrange(2)
        seed = dice.randrange(1 << 62)
        self.fs.command("cut %d %d %d" % (seed, chance, tear))
        self.wait_gone()
        if self.ext4:
            self.ext4.drop()
            self.ext4.mount()
        return "chance %d/256, tear %d, seed %d" % (chance, tear, seed)

    def hikyaku(self, *args, check=True, timeout=60):
        """Starts it as after a start of the machine: whatever is on the disk
        was made before that."""
        if args != ("start",):
            return super().hikyaku(*args, check=check, timeout=timeout)
        got = subprocess.run(
            [*self.command, "start"], capture_output=True, text=True,
            timeout=timeout, check=False, preexec_fn=machine_starts)
        if check and got.returncode != 0:
            raise RuntimeError("hikyaku start: exit status %d\n%s%s%s" % (
                got.returncode, got.stdout, got.stderr, self.log_tail()))
        return got

    def destroy(self):
        with contextlib.suppress(RuntimeError):
            self.kill_all()
        self.slapd("stop", check=False)
        if self.ext4:
            self.ext4.drop()
        self.fs.close()
        super().destroy()


def dice_of(seed):
    return random.Random(seed)
