# SPDX-License-Identifier: BSD-2-Clause
"""Other people's mail servers, unpacked into private roots.

    from peers import Dovecot
    with Dovecot() as peer:
        ... peer.ports["imap"] ...

or by hand: tests/peers/peer dovecot
"""

from .courier import Courier
from .dovecot import Dovecot
from .exim import Exim
from .opensmtpd import OpenSmtpd
from .peer import Peer, SmtpPeer
from .postfix import Postfix
from .root import PeerMissing

PEERS = {cls.name: cls for cls in (
    Courier, Dovecot, Exim, OpenSmtpd, Postfix)}

__all__ = ["Courier", "Dovecot", "Exim", "OpenSmtpd", "Peer", "PeerMissing",
           "PEERS", "Postfix", "SmtpPeer"]
