# SPDX-License-Identifier: BSD-2-Clause
"""Rules and settings, as people and daemons see them."""

import subprocess


# ---- hikyaku rule check: no platform needed ---------------------------------


def rule(installed, *args, stdin=None):
    got = subprocess.run([installed / "bin" / "hikyaku", "rule", *args],
                         input=stdin, text=True, capture_output=True,
                         check=False)
    return got.returncode, got.stdout, got.stderr


def test_rule_check(installed):
    assert rule(installed, "check", ' FROM = "*@x.example"and size>2048') == (
        0, 'from="*@x.example" and size>2KB\n', "")
    # The mark stands under the character, however wide those before it are.
    assert rule(installed, "check", 'subject="*領収書*" or size>1KB') == (
        1, "", "column 17: there is no \"or\"; make a second rule\n"
        '    subject="*領収書*" or size>1KB\n' + " " * 23 + "^\n")
    for kind, text, good in (
            ("quarantine", 'from="a"', True),
            ("quarantine", 'from="a" -> forward to="a@x.example"', False),
            ("forward", 'from="a"', False),
            ("forward", 'from="a" -> forward to="a@x.example"', True)):
        assert rule(installed, "check", "-k", kind, text)[0] == (not good)


def test_rule_check_file(installed, tmp_path):
    lines = '# mine\n\n2: from="a"\r\nfrom=b\n1: paused to="?"'
    told = "%s:4:6: expected a text in double quotes\n    from=b\n" \
           "         ^\n"
    good = '2: from="a"\n1: paused to="?"\n'
    assert rule(installed, "check", stdin=lines) == (1, good, told % "-")
    path = tmp_path / "rules"
    path.write_text(lines)
    assert rule(installed, "check", "-f", path) == (1, good, told % path)
    assert rule(installed, "check", "-f", tmp_path / "none")[0] == 1
    for wrong in ((), ("try",), ("check", "-k", "spam", "x"),
                  ("check", "a", "b"), ("check", "-f", path, "a")):
        assert rule(installed, *wrong, stdin="")[0] == 2
