#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Messages as the world sends them, made deterministically.

    messages()    yields (name, octets); lines end in CRLF, none is longer
                  than 998 octets, and the last one ends too, so that each can
                  go through SMTP (RFC 5321 4.5.3.1.6) and come back the same.
    broken()      yields (name, octets) that hold a bare CR or LF, which
                  RFC 5321 2.3.8 forbids.

By hand: tests/corpus/generate.py DIRECTORY writes each to a file.
"""

import base64
import pathlib
import random
import re
import sys

PYTHON_MAILS = pathlib.Path("/usr/lib/python3.11/test/test_email/data")

CRLF = b"\r\n"

TEXT = ("飛脚は走る。国境の長いトンネルを抜けると雪国であった。夜の底が白くなった。"
        "信号所に汽車が止まった。向側の座席から娘が立って来て、島村の前のガラス窓を"
        "落した。雪の冷気が流れこんだ。")
# What Japanese mail really contains and strict tables refuse: NEC row 13,
# wave dashes, half-width katakana.
VENDOR = "①②③㈱№〜～ｱｲｳｴｵ－∥"


def crlf(octets):
    """Every line end made CRLF."""
    return re.sub(rb"\r\n|\r|\n", CRLF, octets)


def word(text, charset, how):
    """An encoded-word, RFC 2047."""
    octets = text.encode(charset)
    if how == "B":
        body = base64.b64encode(octets).decode()
    else:
        body = "".join("=%02X" % b for b in octets)
    return ("=?%s?%s?%s?=" % (charset, how, body)).encode()


def header(number, subject, **fields):
    """The fields of an ordinary message."""
    lines = [
        b"From: =?ISO-2022-JP?B?GyRCMlY7UhsoQg==?= <hanako@aozora.example>",
        b"To: yuki@midori.example",
        b"Subject: " + subject,
        b"Date: Tue, 24 Nov 2026 08:30:%02d +0900" % (number % 60),
        b"Message-ID: <%d.corpus@aozora.example>" % number,
        b"MIME-Version: 1.0",
    ]
    for name, value in fields.items():
        lines.append(name.replace("_", "-").encode() + b": " + value)
    return CRLF.join(lines) + CRLF


def wrapped(octets, width=76):
    text = base64.b64encode(octets)
    return CRLF.join(text[i:i + width]
                     for i in range(0, len(text), width)) + CRLF


def quoted_printable(octets):
    lines = []
    for line in octets.split(CRLF):
        out = b""
        for b in line:
            piece = bytes([b]) if 33 <= b <= 126 and b != 61 else b"=%02X" % b
            if len(out) + len(piece) > 75:
                lines.append(out + b"=")
                out = b""
            out += piece
        lines.append(out)
    return CRLF.join(lines) + CRLF


# ---- charsets and encodings ---------------------------------------------------

def charsets(rng):
    """One text in each charset and transfer encoding that mail comes in."""
    number = 0
    for charset, python in [("ISO-2022-JP", "iso2022_jp"),
                            ("Shift_JIS", "shift_jis"),
                            ("EUC-JP", "euc_jp"), ("UTF-8", "utf-8"),
                            ("CP932", "cp932"), ("ISO-2022-JP", "iso2022_jp_ext"),
                            ("UTF-16", "utf-16"), ("GB18030", "gb18030"),
                            ("EUC-KR", None), ("windows-1252", None)]:
        for encoding in ("7bit", "8bit", "base64", "quoted-printable"):
            number += 1
            if python is None:
                octets = bytes(rng.randrange(0xa1, 0xfe) for _ in range(400))
            else:
                text = TEXT + (VENDOR if python in ("utf-8", "cp932") else "")
                octets = text.encode(python)
            if encoding == "base64":
                body = wrapped(octets)
            elif encoding == "quoted-printable":
                body = quoted_printable(octets)
            elif re.search(rb"[\r\n]", octets):
                continue  # UTF-16 holds CR and LF octets: never sent raw
            else:
                body = CRLF.join(octets[i:i + 600]
                                 for i in range(0, len(octets), 600)) + CRLF
            yield ("charset-%02d-%s-%s" % (number, charset, encoding),
                   header(number, word("飛脚便", "utf-8", "B"),
                          Content_Type=b"text/plain; charset="
                          + charset.encode(),
                          Content_Transfer_Encoding=encoding.encode())
                   + CRLF + body)


def subjects():
    """Header fields that readers must survive."""
    cases = [
        word("件名" * 4, "iso2022_jp", "B"),
        word("件名" * 4, "shift_jis", "Q"),
        word("あ" * 9, "utf-8", "B") + CRLF + b" " + word("い" * 9, "utf-8", "B"),
        "生の日本語の件名".encode("iso2022_jp"),
        "生の日本語の件名".encode("shift_jis"),
        "生の日本語の件名".encode("utf-8"),
        b"=?broken?X?y?= =?utf-8?B?!!!?= =?utf-8?Q?=ZZ?=",
        b"",
        b"x" * 989,
        CRLF.join([b"folded"] + [b"\t line %d" % i for i in range(60)]),
        bytes(range(1, 10)) + bytes(range(14, 32)),
        bytes(range(128, 256)),
        b'"unbalanced \\" quotes <and (brackets',
    ]
    for number, subject in enumerate(cases):
        yield ("subject-%02d" % number,
               header(100 + number, subject) + CRLF + b"body" + CRLF)


# ---- structure ------------------------------------------------------------------

def multipart(parts, boundary, subtype=b"mixed"):
    """(content type field, body) of a multipart."""
    body = b"preamble" + CRLF
    for kind, content in parts:
        body += (b"--" + boundary + CRLF + b"Content-Type: " + kind + CRLF
                 + CRLF + content + CRLF)
    body += b"--" + boundary + b"--" + CRLF + b"epilogue" + CRLF
    return b"multipart/" + subtype + b'; boundary="' + boundary + b'"', body


def nested(depth, subtype=b"mixed"):
    kind, body = b"text/plain; charset=utf-8", TEXT.encode() + CRLF
    for level in range(depth):
        kind, body = multipart(
            [(kind, body), (b"text/plain", b"level %d" % level)],
            b"=_level_%d_%s" % (level, b"x" * (level % 40)), subtype)
    return kind, body


def structures(rng):
    for depth in (1, 2, 3, 5, 10, 30, 100):
        kind, body = nested(depth)
        yield ("nested-%03d" % depth,
               header(200 + depth, b"nested", Content_Type=kind) + CRLF + body)
    kind, body = multipart([(b"text/plain", b"p%d" % i) for i in range(500)],
                           b"many")
    yield ("parts-500", header(301, b"parts", Content_Type=kind) + CRLF + body)
    inner = header(302, b"inner") + CRLF + b".inner" + CRLF
    for _ in range(8):
        inner = (header(303, b"fwd", Content_Type=b"message/rfc822") + CRLF
                 + inner)
    yield "rfc822-8", inner
    kind, body = nested(2, b"alternative")
    yield ("boundary-missing", header(304, b"cut", Content_Type=kind) + CRLF
           + body.split(b"--=_level_1")[0])
    yield ("boundary-empty", header(
        305, b"none", Content_Type=b"multipart/mixed") + CRLF + b"--" + CRLF)
    image = bytes(rng.randrange(256) for _ in range(30000))
    kind, body = multipart(
        [(b"text/html; charset=Shift_JIS", "<b>本文</b>".encode("shift_jis")),
         (b'image/png; name="' + word("画像.png", "iso2022_jp", "B") + b'"'
          + CRLF + b"Content-Transfer-Encoding: base64" + CRLF
          + b"Content-Disposition: attachment;" + CRLF
          + b" filename*0*=iso-2022-jp'ja'%1B$B2hA|;" + CRLF
          + b" filename*1*=%1B%28B.png", wrapped(image))], b"att", b"related")
    yield ("attachment", header(306, b"attachment", Content_Type=kind) + CRLF
           + body)


# ---- lines ----------------------------------------------------------------------

def lines(rng):
    def plain(number, body):
        return header(number, b"lines") + CRLF + body

    dots = [b".", b"..", b"...", b".x", b"..x", b" .", b".", b". ", b".\t"]
    yield "dots", plain(400, CRLF.join(dots) + CRLF)
    yield "dots-only", plain(401, (b"." + CRLF) * 5000)
    yield "dot-last", plain(402, b"." + CRLF)
    yield "dot-first-octet", b"." + CRLF + b"no header here" + CRLF
    yield "long-998", plain(403, (b"x" * 998 + CRLF) * 20)
    yield "long-998-dots", plain(404, (b"." * 997 + CRLF) * 20)
    yield "long-998-octets", plain(
        405, bytes(rng.choice(range(128, 256)) for _ in range(998)) + CRLF)
    yield "lines-empty", plain(406, CRLF * 3000)
    yield "lines-one", plain(407, (b"a" + CRLF) * 30000)
    yield "all-octets", plain(409, bytes(
        b for b in range(1, 256) if b not in (10, 13)) + CRLF)
    yield "spaces-trailing", plain(410, (b"x \t " + CRLF) * 5)
    yield "from-line", plain(411, b"From nobody Tue Nov 24" + CRLF
                             + b">From quoted" + CRLF)
    yield "looks-like-smtp", plain(
        412, b"QUIT" + CRLF + b"MAIL FROM:<x@y.example>" + CRLF)
    yield "looks-like-imap", plain(413, b"a1 LOGOUT" + CRLF + b"{10}" + CRLF
                                   + b"* BYE" + CRLF + b")" + CRLF)


# ---- header and body without the usual border -----------------------------------

def borders():
    yield "no-header", b"just text, no header field at all" + CRLF
    yield "no-header-empty-line", CRLF + b"body after an empty line" + CRLF
    yield "no-header-colonless", b"one" + CRLF + b"two" + CRLF + CRLF + b"three" + CRLF
    yield "no-body", header(500, b"no body")
    yield "no-body-empty-line", header(501, b"empty body") + CRLF
    yield "empty-line-only", CRLF
    yield "fold-first", b" folded first line" + CRLF + b"Subject: x" + CRLF + CRLF
    yield "mbox-from", (b"From a@b Tue Nov 24 00:00:00 2026" + CRLF
                        + header(502, b"mbox") + CRLF + b"x" + CRLF)
    yield "text-in-header", (b"Subject: x" + CRLF + b"not a field" + CRLF
                             + b"To: y" + CRLF + CRLF + b"body" + CRLF)
    yield "space-before-colon", b"Subject : x" + CRLF + CRLF + b"body" + CRLF
    yield "header-only-fold", b"Subject: x" + CRLF + b" " + CRLF + CRLF + b"b" + CRLF
    yield "fields-2000", b"".join(
        b"X-Field-%d: value %d" % (i, i) + CRLF for i in range(2000)) + CRLF
    yield "field-100k", (b"X-Long: a" + CRLF + b"".join(
        b" " + b"y" * 900 + CRLF for _ in range(110)) + CRLF + b"b" + CRLF)
    yield "trace-forged", (b"Return-Path: <forged@evil.example>" + CRLF
                           + b"Received: from a by b; Tue, 24 Nov 2026 00:00:00 +0000"
                           + CRLF + header(503, b"trace") + CRLF + b"x" + CRLF)


# ---- sizes ------------------------------------------------------------------------

def sizes():
    """Around every buffer that a reader is likely to have."""
    start = header(600, b"size") + CRLF
    for size in (1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193, 16383,
                 16384, 16385, 32768, 65535, 65536, 65537, 131072, 262143,
                 262144, 262145, 1048575, 1048577):
        body = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd" + CRLF
        octets = (start + body * (size // len(body) + 1))[:size - 2]
        # The cut may fall inside a CRLF.
        yield "size-%07d" % size, octets.rstrip(b"\r\n").ljust(size - 2, b".") + CRLF


def attachments(rng):
    for name, megabytes in (("attachment-5m", 5), ("attachment-20m", 20)):
        octets = rng.randbytes(megabytes * 1024 * 1024)
        kind, body = multipart(
            [(b"text/plain", b"see attachment"),
             (b"application/octet-stream" + CRLF
              + b"Content-Transfer-Encoding: base64", wrapped(octets))],
            b"big")
        yield name, header(700, b"big", Content_Type=kind) + CRLF + body


# ---- random mixtures ---------------------------------------------------------------

def mixtures(rng, count=160):
    """Random texts, lines and structures."""
    words = [b".", b"..", b"", b" ", b"\t", TEXT[:9].encode(),
             TEXT[9:20].encode("iso2022_jp"), TEXT[20:40].encode("shift_jis"),
             b"--b", b"--b--", b"From x", b"x" * 200, b"=\xe3", b"\xff\xfe"]
    for number in range(count):
        body = CRLF.join(
            b"".join(rng.choice(words) for _ in range(rng.randrange(4)))
            for _ in range(rng.randrange(1, 200))) + CRLF
        kind = rng.choice([b"text/plain", b'multipart/mixed; boundary="b"',
                           b"message/rfc822", b"text/plain; charset=\"x",
                           b"multipart/alternative; boundary=b"])
        yield "mixture-%03d" % number, header(
            1000 + number, word(TEXT[number % 60:][:10], "utf-8", "Q"),
            Content_Type=kind) + CRLF + body


def python_mails():
    """The message files of Debian's libpython3.11-testsuite."""
    for path in sorted(PYTHON_MAILS.glob("msg_*.txt")):
        octets = crlf(path.read_bytes())
        if not octets.endswith(CRLF):
            octets += CRLF
        yield "python-" + path.stem, octets


def messages(big=True):
    """All of them; without the large attachments when big is false."""
    rng = random.Random(20261124)
    yield from python_mails()
    yield from charsets(rng)
    yield from subjects()
    yield from structures(rng)
    yield from lines(rng)
    yield from borders()
    yield from sizes()
    yield from mixtures(rng)
    if big:
        yield from attachments(rng)


def broken():
    start = header(900, b"broken") + CRLF
    for number, piece in enumerate([
            b"a\nb\r\n", b"a\rb\r\n", b"\n\r\n", b"\r\r\n", b"a\n.\nb\r\n",
            b"a\r.\rb\r\n", b"a\n.\r\nb\r\n", b"a\r\n.\nb\r\n",
            b"a\r\n.\rb\r\n", b"x\r\n\n.\r\r\n"]):
        yield "bare-%02d" % number, start + piece
    yield "bare-in-header", b"Subject: a\nTo: b\r\n\r\nx\r\n"


def main(directory):
    path = pathlib.Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, octets in messages():
        (path / (name + ".eml")).write_bytes(octets)
        count += 1
    print("%d messages in %s" % (count, path))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(sys.argv[1])
