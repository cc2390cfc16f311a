# SPDX-License-Identifier: BSD-2-Clause
"""A platform with so many accounts, and what its tenantd and slapd cost.

Person number n of T tenants is u<n>@t<n modulo T>.example with the account id
a<n> and the further address b<n>@..., as directory_load names them.
"""

import json
import os
import pathlib
import subprocess
import time

from .platform import PASSWORD, TOP, Platform  # noqa: F401

FIRST_UID = 210000


def _tenant(number):
    branch = "ou=t%d,ou=tenants,o=hikyaku" % number
    owners = "cn=owners,ou=admins," + branch
    domain = "t%d.example" % number
    return "\n\n".join([
        "dn: %s\nobjectClass: organizationalUnit\nobjectClass: hkTenant\n"
        "ou: t%d\nhkTenantStatus: active\nhkUid: %d\nhkHost: mail.%s\n"
        "hkClass: cn=basic,ou=classes,ou=platform,o=hikyaku\n"
        "hkAdminGroup: %s" % (
            branch, number, FIRST_UID + number, domain, owners),
        *("dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s" % (
            unit, branch, unit)
          for unit in ("domains", "accounts", "groups", "admins")),
        "dn: %s\nobjectClass: groupOfNames\ncn: owners\n"
        "member: uid=u%d@%s,ou=accounts,%s" % (
            owners, number, domain, branch),
        "dn: associatedDomain=%s,ou=domains,%s\nobjectClass: hkDomain\n"
        "associatedDomain: %s\nhkTenantStatus: active\nhkAdminGroup: %s" % (
            domain, branch, domain, owners), "", ""])


_ACCOUNT = """\
dn: uid=u{n}@t{t}.example,ou=accounts,ou=t{t},ou=tenants,o=hikyaku
objectClass: inetOrgPerson
objectClass: hkAccount
uid: u{n}@t{t}.example
cn: Person {n}
sn: Person
displayName: Person {n}
mail: u{n}@t{t}.example
mailLocalAddress: u{n}@t{t}.example
mailLocalAddress: b{n}@t{t}.example
hkAccountId: a{n}
hkStatus: active
hkQuota: 536870912
userPassword: {password}

"""


def people(accounts, tenants, passwords):
    """LDIF of it all, tenants first; each account has one of the passwords."""
    for number in range(tenants):
        yield _tenant(number)
    for n in range(accounts):
        yield _ACCOUNT.format(n=n, t=n % tenants,
                              password=passwords[n % len(passwords)])


def load_argv(build, socket, ask, **options):
    """directory_load's command line; walk=True becomes --walk."""
    argv = [pathlib.Path(build) / "tests/bench/directory_load",
            "--connect", socket, "--ask", ask]
    for name, value in options.items():
        if value is True:
            argv.append("--" + name)
        elif value is not None:
            argv += ["--" + name, value]
    return [str(a) for a in argv]


class Crowd:
    """A platform with a crowd of accounts in it."""

    def __init__(self, root, build, accounts, tenants, settings=None,
                 schemes=("yescrypt",)):
        self.accounts, self.tenants = accounts, tenants
        self.build = pathlib.Path(build)
        self.platform = Platform(root, build, settings=settings)
        self.schemes = schemes
        self.top = TOP
        self.all_known = False  # tenantd was asked for each of them
        self.load_seconds = 0.0

    def hashes(self):
        """A few userPassword values of each scheme for the one password."""
        found = []
        for scheme in self.schemes:
            for _ in range(16):
                if scheme == "yescrypt":
                    argv = [self.platform.prefix /
                            "libexec/hikyaku/hash-password"]
                    text = PASSWORD + "\n"
                else:
                    argv, text = ["slappasswd", "-h", "{%s}" % scheme,
                                  "-s", PASSWORD], ""
                found.append(subprocess.run(
                    argv, input=text, capture_output=True, text=True,
                    check=True).stdout.strip())
        return found

    def create(self):
        """Everything on disk, nothing started."""
        self.platform.create()
        root = self.platform.root
        ldif = root / "crowd.ldif"
        with open(ldif, "w") as f:
            f.writelines(people(
                self.accounts, self.tenants, self.hashes()))
        start = time.monotonic()
        subprocess.run(["slapadd", "-q", "-w", "-n", "1", "-F",
                        root / "ldap" / "slapd.d", "-l", ldif], check=True)
        self.load_seconds = time.monotonic() - start
        if self.platform.as_root:
            user = (root / "ldap" / "user").read_text().strip()
            subprocess.run(["chown", "-R", user + ":", root / "ldap" / "db"],
                           check=True)
        ldif.unlink()

    def start(self):
        self.platform.start()
        return self

    # ---- looking at it ------------------------------------------------------

    @property
    def socket(self):
        return self.platform.root / "run" / "internal" / "tenantd"

    def tenantd(self):
        pids = self.platform.pids("tenantd")
        return pids[0] if pids else None

    def slapd(self):
        return int((self.platform.root / "ldap" / "slapd.pid").read_text())

    @staticmethod
    def cpu_seconds(pid):
        fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(
            ")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def memory_kib(pid):
        """What belongs to the process alone or in part, in KiB."""
        for line in pathlib.Path(
                "/proc/%d/smaps_rollup" % pid).read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise RuntimeError("no Pss of %d" % pid)

    # ---- asking it ----------------------------------------------------------

    def argv(self, ask, **options):
        """directory_load's command line for this crowd."""
        return load_argv(self.build, self.socket, ask, **{
            "tenants": self.tenants, "names": self.accounts, **options})

    def load(self, ask, **options):
        """Its figures, with the CPU of tenantd and slapd for one answer."""
        pids = {"tenantd": self.tenantd(), "slapd": self.slapd()}
        before = {name: self.cpu_seconds(pid) for name, pid in pids.items()}
        got = subprocess.run(self.argv(ask, **options), text=True,
                             capture_output=True, check=False)
        if got.returncode == 2:
            raise RuntimeError(got.stderr)
        figures = json.loads(got.stdout)
        for name, pid in pids.items():
            figures[name + "_cpu_us"] = (
                (self.cpu_seconds(pid) - before[name]) * 1e6
                / max(1, figures["operations"]))
        return figures
