# SPDX-License-Identifier: BSD-2-Clause
"""Daemons with one flush, mark or order of steps spoiled on purpose, to show
that the power cuts find it.

Each spoil replaces a piece of source, which must be there exactly once; the
file is compiled as the build tree compiles it and linked in front of the
room's library.
"""

import pathlib
import shlex
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]

DAEMONS = {
    "deliveryd": ("delivery", ["delivery/libdelivery.a"]),
    "pop3d": ("pop3d", ["pop3d/libpop3d.a"]),
    "imapd": ("imapd", ["imapd/libimapd.a"]),
}
LIBRARIES = ["tenants/libtenants.a", "store/libstore.a", "mime/libmime.a",
             "common/libcommon.a"]

# name: (daemon, [(file, piece of it, what stands there instead)])
SPOILS = {
    # ---- a flush is left out ----
    "journal-flush": ("deliveryd", [(
        "common/journal_commit.c",
        "fdatasync(w.fd) == -1", "w.fd == -1")]),
    "file-flush": ("deliveryd", [(
        "store/placing.c",
        "failed_out[i] = !shown && p->fd != -1 && fsync(p->fd) == -1;",
        "failed_out[i] = !shown && p->fd != -1 && p->fd == -1;")]),
    "name-flush": ("deliveryd", [(
        "store/placing.c",
        "} else if (fsync(named_in(all[i], shown)) == -1) {",
        "} else if (named_in(all[i], shown) == -1) {")]),
    "shown-flush": ("deliveryd", [(
        "delivery/backlog_settle.c",
        "if (placing_flush(all, l->count, true, failed, &whole, &err) == -1)",
        "if (placing_flush(all, 0, true, failed, &whole, &err) == -1)")]),
    "large-flush": ("deliveryd", [(
        "store/draft.c",
        "return fsync(d->fd) == -1 ?", "return d->fd == -1 ?")]),
    "segment-flush": ("deliveryd", [(
        "common/journal_files.c",
        "write_head(s->fd, head) == -1 || fsync(j->dirfd) == -1)",
        "write_head(s->fd, head) == -1)")]),
    # ---- a mark is left out ----
    "no-mark": ("deliveryd", [(
        "delivery/backlog_place.c",
        "done = journal_append(batch->b->journal, &entry, &err);",
        "done = entry.piece_count == 0;")]),
    # ---- steps in another order ----
    "mark-before-flush": ("deliveryd", [(
        "delivery/backlog_place.c",
        "\tflush_written(&batch, &whole);\n",
        "\tmark_written(&batch);\n\tflush_written(&batch, &whole);\n"), (
        "delivery/backlog_place.c",
        "\tbacklog_settle(b, &earlier, whole);\n\tmark_written(&batch);\n",
        "\tbacklog_settle(b, &earlier, whole);\n")]),
    "shown-before-flush": ("deliveryd", [(
        "delivery/backlog_place.c",
        "\tflush_written(&batch, &whole);\n",
        "\tfor (size_t i = 0; i < batch.count; i++)\n"
        "\t\tshow_job(&batch, &batch.jobs[i]);\n"
        "\tflush_written(&batch, &whole);\n"), (
        "delivery/backlog_place.c",
        "\t\tif (!batch.jobs[i].failed)\n"
        "\t\t\tshow_job(&batch, &batch.jobs[i]);\n",
        "\t\t;\n")]),
    "settled-before-flush": ("deliveryd", [(
        "delivery/backlog_place.c",
        "\t\tbacklog_settle(b, &shown, false);\n",
        "\t\tbacklog_settle(b, &shown, true);\n")]),
    # ---- the store ----
    "expunge-flush": ("pop3d", [(
        "store/change.c",
        "\tif (done == 0)\n"
        "\t\tdone = expunge_flush(f, how, removed, &why);\n", "")]),
    "copy-flush": ("imapd", [(
        "store/copy.c",
        "\tif (folder_flush(c->to->new_fd, err) == -1 ||\n"
        "\t    folder_flush(c->to->cur_fd, err) == -1)\n"
        "\t\treturn -1;\n", "")]),
    "uidlist-flush": ("pop3d", [(
        "store/uidfile.c",
        "if (wrote != (ssize_t)lines.len || fdatasync(fd) == -1) {",
        "if (wrote != (ssize_t)lines.len || fd == -1) {")]),
}


def flags(build):
    """(compile, link before, link after) of the build tree."""
    got = subprocess.run(
        ["make", "-s", "--no-print-directory", "-C", str(build),
         "print-flags"], capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in got.stdout.splitlines()[-3:]]


def replaced(path, edits):
    text = (TOP / path).read_text()
    for old, new in edits:
        if text.count(old) != 1:
            raise RuntimeError("%s: %d times %r" % (
                path, text.count(old), old))
        text = text.replace(old, new)
    return text


def build_spoiled(build, name, out):
    """Builds the daemon of that spoil into out; answers the daemon's name."""
    build = pathlib.Path(build)
    daemon, edits = SPOILS[name]
    room, libraries = DAEMONS[daemon]
    compile_, before, after = flags(build)
    files = {}
    for path, old, new in edits:
        files.setdefault(path, []).append((old, new))
    with tempfile.TemporaryDirectory(prefix="hk-spoil-") as tmp:
        objects = []
        for path, pieces in files.items():
            source = pathlib.Path(tmp) / path.replace("/", "_")
            source.write_text(replaced(path, pieces))
            objects.append(str(source.with_suffix(".o")))
            # What a spoil leaves unused is no error here.
            _run([*compile_, "-w", "-c", str(source), "-o", objects[-1]],
                 build)
        _run([*compile_, *before, "-o", str(out),
              "%s/main.o" % room, *objects, *libraries, *LIBRARIES, *after],
             build)
    return daemon


def _run(argv, cwd):
    got = subprocess.run(argv, cwd=cwd, capture_output=True, text=True,
                         check=False)
    if got.returncode != 0:
        raise RuntimeError("%s\n%s" % (" ".join(argv), got.stderr))
