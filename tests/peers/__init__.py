# SPDX-License-Identifier: BSD-2-Clause
"""Other people's mail servers, unpacked into private roots.

    from peers import Dovecot
    with Dovecot() as peer:
        ... peer.ports["imap"] ...

or by hand: tests/peers/peer dovecot
"""

from .dovecot import Dovecot
from .peer import Peer
from .postfix import Postfix
from .root import PeerMissing

PEERS = {cls.name: cls for cls in (Dovecot, Postfix)}

__all__ = ["Dovecot", "Peer", "PeerMissing", "PEERS", "Postfix"]
