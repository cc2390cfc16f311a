# SPDX-License-Identifier: BSD-2-Clause
"""A private root: Debian packages unpacked beside the system, not into it.

Servers such as postfix and exim4 conflict as packages and would start services
of their own.  So a peer's packages are fetched by apt-get download, with the
dependencies that are not installed, and unpacked by dpkg -x into a directory.
To run them, that directory is laid over the machine's /usr and /etc with
overlayfs in a mount namespace of its own, with a private /var and /srv, and in
a pid namespace of its own, so that ending its first process ends them all.
The network is the machine's: peers listen on loopback ports.

    <cache>/debs/*.deb              what was fetched
    <cache>/<name>/packages/        the unpacked packages
    <state>/upper, scratch, root    one running instance, thrown away after it

Needs root: these servers run under several users.
"""

import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
CACHE = TOP / "build" / "peers"


class PeerMissing(Exception):
    """The peer cannot be had here; the text says why."""


def wait_for_port(port, seconds=20, alive=lambda: True):
    """Waits until something accepts connections on 127.0.0.1:port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if not alive():
                raise RuntimeError("server ended before port %d answered"
                                   % port) from None
            time.sleep(0.05)
    raise TimeoutError("nothing answers on port %d after %d s"
                       % (port, seconds))


def _needed(packages):
    """The packages and those of their dependencies that are not installed."""
    got = subprocess.run(
        ["apt-get", "install", "--simulate", "-q", "-y",
         "--no-install-recommends", *packages],
        capture_output=True, text=True, check=False)
    if got.returncode != 0:
        raise PeerMissing("apt-get cannot resolve %s: %s"
                          % (" ".join(packages), got.stderr.strip()))
    return [line.split()[1] for line in got.stdout.splitlines()
            if line.startswith("Inst ")]


def unpack(name, packages, leave_out=(), cache=CACHE):
    """Fetches and unpacks packages; returns the directory.

    A package that is installed on the machine is fetched too when it is named
    in packages itself, since what lies over /usr shall be complete.
    leave_out names dependencies that the peer does without.
    """
    target = cache / name / "packages"
    stamp = cache / name / "unpacked"
    if stamp.exists():
        return target
    debs = cache / "debs" / name
    debs.mkdir(parents=True, exist_ok=True)
    wanted = [p for p in dict.fromkeys([*packages, *_needed(packages)])
              if p not in leave_out]
    # apt's sandbox user may not write here, so apt-get works as the caller.
    got = subprocess.run(
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
         *wanted], cwd=debs, capture_output=True, text=True, check=False)
    if got.returncode != 0:
        raise PeerMissing("apt-get download %s: %s"
                          % (" ".join(wanted), got.stderr.strip()))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg", "-x", deb, target], check=True)
    stamp.touch()
    return target


# Runs inside the new namespaces.  $1 packages, $2 state, $3 binds file, then
# the command.  /lib and /sbin of a package are merged into /usr as Debian 12's
# own layout has them.
_SETUP = r"""
set -eu
packages=$1 state=$2 binds=$3
shift 3
root=$state/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
for d in usr etc; do
	mkdir -p "$root/$d" "$state/upper/$d" "$state/scratch/$d"
	lower=/$d
	[ ! -d "$packages/$d" ] || lower=$packages/$d:/$d
	mount -t overlay overlay \
	    -o "lowerdir=$lower,upperdir=$state/upper/$d,workdir=$state/scratch/$d" \
	    "$root/$d"
done
for d in bin sbin lib lib32 lib64 libx32; do
	[ ! -e "/usr/$d" ] || ln -s "usr/$d" "$root/$d"
done
mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/run" \
    "$root/var" "$root/srv" "$root/root"
chmod 1777 "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$state/var" "$root/var"
mount --bind "$state/srv" "$root/srv"
ln -s /run "$root/var/run" 2>/dev/null || :
while read -r from to; do
	mkdir -p "$root$to"
	mount --bind "$from" "$root$to"
done <"$binds"
exec chroot "$root" "$@"
"""


class PrivateRoot:
    """One instance of a set of unpacked packages, with its own state."""

    def __init__(self, packages_dir, state, binds=None):
        self.packages = pathlib.Path(packages_dir)
        self.state = pathlib.Path(state)
        self.binds = dict(binds or {})
        self.hostname = None  # its own, if it is to have one
        self.process = None
        self.log_path = self.state / "log"
        for d in ("upper/etc", "upper/usr", "scratch", "root", "var", "srv"):
            (self.state / d).mkdir(parents=True, exist_ok=True)
        # Package trees may hold /var with directories the server expects.
        if (self.packages / "var").is_dir():
            shutil.copytree(self.packages / "var", self.state / "var",
                            dirs_exist_ok=True, symlinks=True)
        for d in ("lib", "log", "spool", "tmp", "mail"):
            (self.state / "var" / d).mkdir(exist_ok=True)
        self._merge_lib()

    def _merge_lib(self):
        """Moves a package's /lib, /sbin and /bin below its /usr."""
        for d in ("lib", "sbin", "bin"):
            src = self.packages / d
            if src.is_dir() and not src.is_symlink():
                shutil.copytree(src, self.packages / "usr" / d,
                                dirs_exist_ok=True, symlinks=True)
                shutil.rmtree(src)

    def path(self, inside):
        """Where a file of the instance's /etc, /usr, /var or /srv lies."""
        inside = inside.lstrip("/")
        if inside.startswith(("etc/", "usr/")):
            return self.state / "upper" / inside
        return self.state / inside

    def write(self, inside, text, mode=0o644):
        """Writes a file of the instance before it starts."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def add_users(self, users, groups=()):
        """Adds (name, uid) and (group, gid) to the instance's passwd."""
        passwd = pathlib.Path("/etc/passwd").read_text()
        group = pathlib.Path("/etc/group").read_text()
        for name, uid in users:
            passwd = _without(passwd, name) + (
                "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n"
                % (name, uid, uid))
            group = _without(group, name) + "%s:x:%d:\n" % (name, uid)
        for name, gid in groups:
            group = _without(group, name) + "%s:x:%d:\n" % (name, gid)
        self.write("/etc/passwd", passwd)
        self.write("/etc/group", group)

    def start(self, argv):
        """Starts argv as the first process of the instance."""
        binds = self.state / "binds"
        binds.write_text("".join("%s %s\n" % (a, b)
                                 for a, b in self.binds.items()))
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        if self.hostname:
            command += ["--uts"]
            argv = ["sh", "-c", 'hostname "$0"; exec "$@"', self.hostname,
                    *argv]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        command += ["sh", "-c", _SETUP, "peer", self.packages, self.state,
                    binds, *argv]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=env, start_new_session=True)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def first(self):
        """The pid of the instance's first process, or None when it ended."""
        pids = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)],
            capture_output=True, text=True, check=False).stdout.split()
        return int(pids[0]) if pids else None

    def run(self, argv, **kwargs):
        """Runs a command beside the server, inside the instance."""
        return subprocess.run(
            ["nsenter", "--target", str(self.first()), "--mount", "--pid",
             "--root", "--wd=/", *argv], **kwargs)

    def stop(self):
        """Ends every process of the instance.  The first process of a pid
        namespace ends after all others, so that no socket of theirs is bound
        any more when it has."""
        if self.process is None:
            return
        if self.process.poll() is None:
            first = self.first()
            end = os.pidfd_open(first) if first else None
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            if end is not None:
                ended, _, _ = select.select([end], [], [], 30)
                os.close(end)
                if not ended:
                    raise RuntimeError("process %d does not end" % first)
        self.process = None

    def log(self):
        """What the server has said so far."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")


def _without(text, name):
    return "".join(line for line in text.splitlines(keepends=True)
                   if not line.startswith(name + ":"))
