# SPDX-License-Identifier: BSD-2-Clause
"""A private slapd with the demo's entries, and no daemon of ours."""

import subprocess

import ldap

from support.platform import PASSWORD, free_ports

TENANTS = "ou=tenants,o=hikyaku"
PLATFORM = "ou=platform,o=hikyaku"
OPERATOR = "cn=operator," + PLATFORM
TENANTD = "cn=tenantd," + PLATFORM
REHASH = "cn=rehash," + PLATFORM
REPLICATOR = "cn=replicator," + PLATFORM

CONSTRAINT, NO_SUCH, INVALID, DENIED = 19, 32, 49, 50
STRONGER_AUTH = 8


def account(address, tenant=None):
    """The DN of an account."""
    tenant = tenant or address.split("@")[1].split(".")[0]
    return "uid=%s,ou=accounts,ou=%s,%s" % (address, tenant, TENANTS)


def octets(values):
    if values is None:
        return None
    values = [values] if isinstance(values, (str, bytes)) else values
    return [v if isinstance(v, bytes) else v.encode() for v in values]


def result(call, *args):
    """(result code, what slapd says) of an operation; 0 is success."""
    try:
        call(*args)
    except ldap.LDAPError as error:
        told = error.args[0]
        return told["result"], told.get("info", "")
    return 0, ""


class Who:
    """One identity with one connection."""

    def __init__(self, uri, dn, password):
        self.dn = dn
        self.ldap = ldap.initialize(uri)
        if dn is not None:
            self.ldap.simple_bind_s(dn, password)

    def modify(self, dn, *changes):
        """Changes are (ldap.MOD_..., attribute, value, values or None)."""
        return result(self.ldap.modify_s, dn,
                      [(op, attr, octets(v)) for op, attr, v in changes])

    def replace(self, dn, attr, values):
        return self.modify(dn, (ldap.MOD_REPLACE, attr, values))

    def add_value(self, dn, attr, values):
        return self.modify(dn, (ldap.MOD_ADD, attr, values))

    def delete_value(self, dn, attr, values):
        return self.modify(dn, (ldap.MOD_DELETE, attr, values))

    def add(self, dn, entry):
        return result(self.ldap.add_s, dn,
                      [(attr, octets(v)) for attr, v in entry.items()])

    def delete(self, dn):
        return result(self.ldap.delete_s, dn)

    def rename(self, dn, rdn, delete_old=True):
        return result(self.ldap.rename_s, dn, rdn, None, delete_old)

    def search(self, base, text="(objectClass=*)", attrs=None,
               scope=ldap.SCOPE_SUBTREE):
        """{DN: {attribute: values}}; empty also when there is no base."""
        try:
            got = self.ldap.search_s(base, scope, text, attrs)
        except (ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS,
                ldap.UNWILLING_TO_PERFORM):
            return {}
        return {dn: values for dn, values in got if dn is not None}

    def read(self, dn, attrs=("*", "+")):
        """The attributes of one entry that this identity may read."""
        return self.search(dn, attrs=list(attrs),
                           scope=ldap.SCOPE_BASE).get(dn, {})


class Slapd:
    def __init__(self, prefix, root, *options):
        self.script = prefix / "libexec" / "hikyaku" / "hikyaku-slapd"
        self.root = root
        self.port = free_ports(["ldap"])["ldap"]
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.connections = {}
        self.run("init", "-d", "-l", "127.0.0.1:%d" % self.port,
                 "-u", "aozora=62201", "-u", "midori=62202", *options)
        self.run("start")

    def run(self, action, *args):
        subprocess.run([self.script, action, *args, self.root], check=True)

    def stop(self):
        for who in self.connections.values():
            who.ldap.unbind_s()
        self.run("stop")

    def password_file(self, dn):
        """Where the password of a service is; None for people."""
        name = dn.split(",")[0].split("=")[1]
        return (self.root / (name + ".password") if dn.endswith(PLATFORM)
                else None)

    def bind(self, dn, password=None):
        """A new connection as dn; None is nobody."""
        if dn is not None and password is None:
            file = self.password_file(dn)
            password = PASSWORD if file is None else file.read_text()
        return Who(self.uri, dn, password)

    def who(self, dn):
        """The connection that all tests share for dn."""
        if dn not in self.connections:
            self.connections[dn] = self.bind(dn)
        return self.connections[dn]

    # ---- the same by the commands that people have -----------------------

    def argv(self, tool, dn):
        argv = [tool, "-x", "-H", self.uri]
        if dn is None:
            return argv
        file = self.password_file(dn)
        secret = ["-w", PASSWORD] if file is None else ["-y", str(file)]
        return [*argv, "-D", dn, *secret]

    def ldapmodify(self, dn, ldif):
        """(exit status, what it prints as error)."""
        done = subprocess.run(self.argv("ldapmodify", dn), input=ldif,
                              text=True, capture_output=True, check=False)
        return done.returncode, done.stderr

    def ldapsearch(self, dn, base, text="(objectClass=*)", *attrs):
        return subprocess.run(
            [*self.argv("ldapsearch", dn), "-LLL", "-o", "ldif-wrap=no",
             "-b", base, text, *attrs],
            text=True, capture_output=True, check=False).stdout
