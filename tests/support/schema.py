# SPDX-License-Identifier: BSD-2-Clause
"""What tenants/ldap/schema.ldif says, read from the file itself."""

import pathlib
import re

FILE = (pathlib.Path(__file__).resolve().parents[2] / "tenants" / "ldap" /
        "schema.ldif")


def _definitions(kind):
    lines = FILE.read_text().replace("\n ", "").splitlines()
    return [line for line in lines if line.startswith(kind + ": ")]


def _name(text):
    return re.search(r"NAME '(\w+)'", text).group(1)


def attributes():
    """{name: definition} of each attribute of ours."""
    return {_name(text): text for text in _definitions("olcAttributeTypes")}


def single(name):
    """True when an attribute of ours has one value at most."""
    return "SINGLE-VALUE" in attributes()[name]


def classes():
    """{class: the attributes of ours that it may have}."""
    found, above = {}, {}
    for text in _definitions("olcObjectClasses"):
        name = _name(text)
        found[name] = set(re.findall(r"\bhk\w+", re.sub(
            r"^.*?(?=MUST|MAY)", "", text))) if re.search(
                "MUST|MAY", text) else set()
        above[name] = re.search(r"SUP (\w+)", text).group(1)
    for name, sup in above.items():
        found[name] |= found.get(sup, set())
    return found
