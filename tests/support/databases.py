# SPDX-License-Identifier: BSD-2-Clause
"""Every file of Berkeley DB that a platform has, by what is in it."""

import struct

# Of a btree, a hash, a queue, a heap and a log, where they stand in the first
# page; either byte order.
_MAGICS = {12: (0x053162, 0x061561, 0x042253, 0x074582), 0: (0x040988,),
           28: (0x040988,)}


def is_database(path):
    with open(path, "rb") as f:
        head = f.read(64)
    for at, magics in _MAGICS.items():
        for order in "<>":
            if len(head) >= at + 4 and struct.unpack_from(
                    order + "I", head, at)[0] in magics:
                return True
    return path.name.startswith(("__db.", "log.00"))


def databases(root):
    """Paths of all database files beneath root."""
    return [path for path in root.rglob("*")
            if path.is_file() and not path.is_symlink() and
            is_database(path)]
