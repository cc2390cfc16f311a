#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the steps of ./check and adds up what they counted.

Every step runs, whatever became of those before it, unless it needs a build
that failed; then it counts as one failure.  The last line is
"N passed, N failed" (", N skipped" when there were any), over test cases, not
programs; the exit status is 0 only when nothing failed and something passed.
Logs of all steps are kept in build/log.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "bench"))

import instructions  # noqa: E402

BUILD = TOP / "build"
LOGS = BUILD / "log"
PYTHON = "/usr/bin/python3"  # the one that has Debian's python3-pytest
JOBS = str(max(2, os.cpu_count() or 2))

# Seconds of libFuzzer a target, and its input limit: a smoke test that the
# corpus still passes, not a search.
FUZZ_SECONDS = 5


class Failed(Exception):
    """A step could not do its work at all."""


class Count:
    """What a step counted."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = "%d passed, %d failed" % (self.passed, self.failed)
        if self.skipped:
            text += ", %d skipped" % self.skipped
        return text


def run(argv, log, timeout, cwd=TOP, env=None, show=False):
    """Runs a command into a log file; returns its exit status.

    At the timeout the whole process group is killed and Failed raised.  With
    show, output appears as it comes.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / log, "ab") as out:
        out.write(("$ %s\n" % " ".join(map(str, argv))).encode())
        out.flush()
        process = subprocess.Popen(
            [str(a) for a in argv], cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if show else out,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
        late = threading.Event()
        timer = threading.Timer(timeout, _kill, (process, late))
        timer.start()
        try:
            if show:
                for line in process.stdout:
                    out.write(line)
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
            status = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if late.is_set():
            raise Failed("%s: not done after %d s" % (argv[0], timeout))
        return status


def _kill(process, late):
    late.set()
    os.killpg(process.pid, signal.SIGKILL)


def must(argv, log, timeout, **kwargs):
    """run(), but a bad status is a failure that shows the log's end."""
    status = run(argv, log, timeout, **kwargs)
    if status != 0:
        raise Failed("%s: exit status %d\n%s" % (
            " ".join(map(str, argv)), status, tail(LOGS / log)))


def tail(path, lines=60):
    text = path.read_text(errors="replace").splitlines()
    return "\n".join("    " + line for line in text[-lines:])


# ---- builds ----------------------------------------------------------------

def configure():
    """Makes the configure script, once."""
    if (TOP / "config.status").exists():
        raise Failed("the source tree itself is configured, so that no other "
                     "build directory works: run make distclean")
    newest = max(p.stat().st_mtime
                 for p in [TOP / "configure.ac", TOP / "Makefile.am",
                           *TOP.glob("*/room.mk")])
    made = TOP / "Makefile.in"
    if not made.exists() or made.stat().st_mtime < newest:
        must(["autoreconf", "-fi"], "autoreconf", 180)


def build(name, options, env=None, targets=("all", "check-programs")):
    """Configures and builds ./build/NAME, out of tree."""
    configure()
    tree = BUILD / name
    tree.mkdir(parents=True, exist_ok=True)
    wanted = " ".join([*options, *("%s=%s" % i for i in (env or {}).items())])
    stamp = tree / "configured-with"
    if not stamp.exists() or stamp.read_text() != wanted:
        must([TOP / "configure", "-q", *options], name, 300, cwd=tree, env=env)
        stamp.write_text(wanted)
    # One after the other: "all" starts a make of its own, and two at once
    # would write the same library.
    for target in targets:
        must(["make", "-s", "-j" + JOBS, target], name, 1200, cwd=tree)
    return tree


def step_build():
    build("check", ["--enable-werror"])
    return Count(passed=1)


def step_build_sanitized():
    # The second compiler.  OpenSSL's macros cast const away, which clang
    # reports where they are used.
    env = {"CC": "clang", "CFLAGS": "-g -O1 -Wno-cast-qual"} \
        if shutil.which("clang") else {}
    build("sanitized",
          ["--enable-werror", "--enable-sanitizers=address,undefined"], env)
    return Count(passed=1)


# ---- unit tests --------------------------------------------------------------

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def unit_programs(tree):
    """The cmocka programs that Makefile.am lists."""
    got = subprocess.run(
        ["make", "-s", "--no-print-directory", "print-unit-tests"],
        cwd=tree, capture_output=True, text=True, check=False)
    if got.returncode != 0:
        raise Failed("make print-unit-tests: " + got.stderr)
    return [tree / p for p in got.stdout.split()]


def unit_count(text, status):
    """Reads cmocka's lines; a program that died is one more failure."""
    count = Count(
        passed=len(re.findall(r"^\[ +OK +\]", text, re.M)),
        skipped=len(re.findall(r"^\[  SKIPPED \] \w+$", text, re.M)))
    names = re.findall(r"^\[  FAILED  \] (?!\d+ test)(\S+)$", text, re.M)
    count.failed = len(set(names))
    if status != 0 and count.failed == 0:
        count.failed = 1
    return count


def unit(tree, log, env=None):
    total = Count()
    programs = unit_programs(tree)
    if not programs:
        raise Failed("no unit test program was built")
    for program in programs:
        piece = "%s-%s" % (log, program.name)
        (LOGS / piece).unlink(missing_ok=True)
        try:
            status = run([program], piece, 120, cwd=tree,
                         env={"srcdir": str(TOP), **(env or {})})
            count = unit_count(
                (LOGS / piece).read_text(errors="replace"), status)
        except Failed as e:
            print(e)
            count = Count(failed=1)
        if count.passed + count.failed == 0:
            print("%s: no test case ran" % program.name)
            count.failed = 1
        if count.failed:
            print("%s: %s\n%s" % (program.name, count, tail(LOGS / piece)))
        total.add(count)
    return total


def step_unit():
    return unit(BUILD / "check", "unit")


def step_unit_sanitized():
    return unit(BUILD / "sanitized", "unit-sanitized", SANITIZER_ENV)


# ---- integration tests ----------------------------------------------------------

def integration(tree, log, timeout, marks=(), env=None):
    """Files side by side, since tests mostly wait; then, one after the
    other, those that measure times or memory."""
    env = {"HK_BUILD": str(tree), **(env or {})}
    count = Count()
    for name, mark, extra in (
            (log, "not alone", ["-n", JOBS, "--dist", "loadfile"]),
            (log + "-alone", "alone", ["-p", "no:xdist"])):
        count.add(pytest(name, timeout, [
            "-m", " and ".join([mark, *marks]), *extra], env))
    return count


def pytest(log, timeout, extra, env):
    report = LOGS / (log + ".xml")
    report.unlink(missing_ok=True)
    status = run(
        [PYTHON, "-m", "pytest", "-q", "-ra", "--junitxml", report,
         "-p", "no:cacheprovider", *extra, *ARGS.pytest,
         TOP / "tests" / "integration"], log, timeout, show=True, env=env)
    if status == 5:  # none was chosen
        return Count()
    if not report.exists():
        raise Failed("pytest ended with status %d and no report" % status)
    count = Count()
    for suite in ET.parse(report).getroot().iter("testsuite"):
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        skipped = int(suite.get("skipped"))
        count.add(Count(int(suite.get("tests")) - failed - skipped,
                        failed, skipped))
    if status != 0 and count.failed == 0:
        count.failed = 1
    return count


def step_integration():
    return integration(BUILD / "check", "integration", 1200)


def step_integration_sanitized():
    return integration(
        BUILD / "sanitized", "integration-sanitized", 1500,
        ["not plain_only"], {**SANITIZER_ENV, "HK_SANITIZED": "1"})


# ---- fuzzing --------------------------------------------------------------------

def step_instructions():
    """Fixed work must not take more instructions than it did."""
    # That build has the optimisation of what is installed.
    with open(LOGS / "instructions", "a", encoding="utf-8") as log:
        try:
            passed, failed = instructions.check(BUILD / "check", log)
        except RuntimeError as e:
            raise Failed(str(e)) from None
    if failed:
        print(tail(LOGS / "instructions", 10))
    return Count(passed=passed, failed=failed)


def step_fuzz():
    if shutil.which("clang") is None:
        print("fuzz: clang is not there")
        return Count(skipped=1)
    tree = build("fuzz", ["--enable-fuzz",
                          "--enable-sanitizers=address,undefined"],
                 {"CC": "clang"}, ("fuzz-programs",))
    programs = [p for p in sorted((tree / "tests/fuzz").glob("fuzz_*"))
                if not p.suffix and os.access(p, os.X_OK)]
    total = Count()
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        for count in pool.map(lambda p: fuzz(tree, p), programs):
            total.add(count)
    if total.passed + total.failed == 0:
        print("fuzz: no target was built")
        total.skipped = 1
    return total


def fuzz(tree, program):
    """Runs one target on its corpus and a little further."""
    corpus = TOP / "tests/fuzz/corpus" / program.name
    work = tree / "corpus" / program.name
    work.mkdir(parents=True, exist_ok=True)
    argv = [program, "-max_total_time=%d" % FUZZ_SECONDS, "-timeout=10",
            "-rss_limit_mb=1024", work]
    if corpus.is_dir():
        argv.append(corpus)
    log = "fuzz-" + program.name
    (LOGS / log).unlink(missing_ok=True)
    try:
        status = run(argv, log, FUZZ_SECONDS + 60, cwd=tree)
    except Failed as e:
        status = str(e)
    if status != 0:
        print("%s: exit status %s\n%s" % (
            program.name, status, tail(LOGS / log)))
    return Count(int(status == 0), int(status != 0))


# ---- lint and packaging --------------------------------------------------------

def step_lint():
    total = Count()
    for script in sorted((TOP / "tests/lint").glob("lint_*.py")):
        log = script.stem
        (LOGS / log).unlink(missing_ok=True)
        status = run([PYTHON, script], log, 120)
        if status != 0:
            print(tail(LOGS / log))
        total.add(Count(int(status == 0), int(status != 0)))
    # clang-format's taste differs between releases, so it only reports.
    if shutil.which("clang-format"):
        files = [*TOP.glob("*/*.[ch]"), *TOP.glob("tests/*/*.[ch]")]
        got = subprocess.run(
            ["clang-format", "--dry-run", *map(str, files)],
            cwd=TOP, capture_output=True, text=True, check=False)
        differ = sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning",
                                       got.stderr, re.M)))
        if differ:
            print("clang-format would change %d files (report only): %s" % (
                len(differ), " ".join(os.path.relpath(p, TOP)
                                      for p in differ[:8])))
    return total


def step_dist():
    """make distcheck: the tarball builds, tests, installs and cleans up."""
    must(["make", "-s", "-j" + JOBS, "distcheck"], "dist", 1200,
         cwd=BUILD / "check")
    return Count(passed=1)


STEPS = {
    "build": (step_build, None),
    "unit": (step_unit, "build"),
    "lint": (step_lint, None),
    "instructions": (step_instructions, "build"),
    "integration": (step_integration, "build"),
    "build-sanitized": (step_build_sanitized, None),
    "unit-sanitized": (step_unit_sanitized, "build-sanitized"),
    "integration-sanitized": (step_integration_sanitized, "build-sanitized"),
    "fuzz": (step_fuzz, None),
    "dist": (step_dist, "build"),
}


def chosen(names):
    """The steps asked for and the builds they need, in order."""
    wanted = set(names or STEPS)
    wanted |= {STEPS[n][1] for n in wanted if STEPS[n][1]}
    return [n for n in STEPS if n in wanted]


def main():
    total, bad, lines = Count(), set(), []
    LOGS.mkdir(parents=True, exist_ok=True)
    # Others' programs lint their own trees; a world-writable umask would not.
    os.umask(0o022)
    for name in chosen(ARGS.steps):
        function, needs = STEPS[name]
        print("==> %s" % name, flush=True)
        start = time.monotonic()
        try:
            if needs in bad:
                raise Failed("needs %s, which failed" % needs)
            for old in (LOGS / name, LOGS / (name.replace("build-", ""))):
                old.unlink(missing_ok=True)
            count = function()
        except Failed as e:
            print("%s: %s" % (name, e))
            count = Count(failed=1)
        if count.failed:
            bad.add(name)
        total.add(count)
        lines.append("%-22s %s (%d s)" % (
            name, count, time.monotonic() - start))
        print("    " + lines[-1], flush=True)
    print("\n==> summary\n" + "\n".join(lines))
    print(total, flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1


def arguments():
    parser = argparse.ArgumentParser(
        prog="./check", description="Builds Hikyaku and runs every test.")
    parser.add_argument("steps", nargs="*", metavar="STEP",
                        help="one of: " + ", ".join(STEPS))
    parser.add_argument("--list", action="store_true",
                        help="name the steps and end")
    parser.add_argument("--pytest", action="append", default=[],
                        metavar="ARG", help="hand ARG to pytest")
    args = parser.parse_args()
    unknown = [s for s in args.steps if s not in STEPS]
    if unknown:
        parser.error("no such step: " + ", ".join(unknown))
    return args


if __name__ == "__main__":
    ARGS = arguments()
    if ARGS.list:
        print("\n".join(STEPS))
        sys.exit(0)
    if subprocess.run([TOP / "build-aux/install-packages", "--check"],
                      check=False).returncode != 0:
        print("0 passed, 1 failed")
        sys.exit(1)
    sys.exit(main())
