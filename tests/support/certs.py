# SPDX-License-Identifier: BSD-2-Clause
"""A demo certificate authority and the brands' certificates, by openssl.

    <directory>/ca.pem              what a mail client is told to trust
    <directory>/<host>.ecdsa.pem    chain, then key
    <directory>/<host>.rsa.pem
"""

import os
import pathlib
import subprocess

DAYS = "825"


def _openssl(*args, text=None):
    subprocess.run(["openssl", *map(str, args)], input=text, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   text=True)


def _key(path, kind):
    options = {
        "ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    }[kind]
    _openssl("genpkey", *options, "-out", path)


def make_ca(directory):
    """Makes the authority unless it is there; returns ca.pem."""
    ca, key = directory / "ca.pem", directory / "ca.key"
    if not ca.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        with _private_umask():
            _key(key, "ecdsa")
        _openssl("req", "-x509", "-new", "-key", key, "-out", ca,
                 "-days", DAYS, "-subj", "/CN=Hikyaku demo CA",
                 "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        ca.chmod(0o644)
    return ca


def make_certificate(directory, host, kind, anywhere=True):
    """Makes <host>.<kind>.pem unless it is there; returns its path.

    anywhere: it is good for localhost, too."""
    directory = pathlib.Path(directory)
    pem = directory / ("%s.%s.pem" % (host, kind))
    if pem.exists():
        return pem
    ca = make_ca(directory)
    domain = host.partition(".")[2]
    names = [host] + ["%s.%s" % (s, domain) for s in ("smtp", "pop", "imap")]
    # Tools that connect by address check the address.
    names = ",".join(["DNS:" + n for n in dict.fromkeys(names)]
                     + ["DNS:localhost", "IP:127.0.0.1"] * anywhere)
    key, request = pem.with_suffix(".key"), pem.with_suffix(".csr")
    leaf, extensions = pem.with_suffix(".crt"), pem.with_suffix(".ext")
    with _private_umask():
        _key(key, kind)
        _openssl("req", "-new", "-key", key, "-out", request,
                 "-subj", "/CN=" + host)
        extensions.write_text(
            "subjectAltName=%s\nbasicConstraints=CA:FALSE\n"
            "keyUsage=critical,digitalSignature%s\n"
            "extendedKeyUsage=serverAuth\n" % (
                names, ",keyEncipherment" if kind == "rsa" else ""))
        _openssl("x509", "-req", "-in", request, "-CA", ca,
                 "-CAkey", directory / "ca.key", "-CAcreateserial",
                 "-days", DAYS, "-extfile", extensions, "-out", leaf)
        # Last, so that an interrupted run leaves no half of a file.
        part = pem.with_suffix(".part")
        part.write_text(leaf.read_text() + ca.read_text() + key.read_text())
        part.rename(pem)
    for path in (key, request, leaf, extensions):
        path.unlink()
    return pem


class _private_umask:
    """Keys are readable by nobody else."""

    def __enter__(self):
        self.before = os.umask(0o077)

    def __exit__(self, *exc):
        os.umask(self.before)
