"""Reads `cargo tree`: every licence expression must be satisfiable by the licences of deny.toml, and no crate may be
one that it bans."""

import pathlib
import re
import sys
import tomllib

DENY = tomllib.loads(pathlib.Path("deny.toml").read_text())
ALLOWED = set(DENY["licenses"]["allow"])
BANNED = set(DENY["bans"]["deny"])


def satisfied(expression):
    """Whether some choice of the expression's alternatives is allowed throughout."""
    expression = re.sub(r"(?<= )(and|or|with)(?= )", lambda word: word[0].upper(), expression.replace("/", " OR "))
    tokens = re.findall(r"\(|\)|[^\s()]+(?: WITH [^\s()]+)?", expression)
    python = " ".join(
        {"OR": "or", "AND": "and", "(": "(", ")": ")"}.get(token, str(token in ALLOWED)) for token in tokens
    )
    return bool(eval(python, {"__builtins__": {}}))  # made of True, False, and, or and brackets alone


def main():
    crates = sorted({line.removesuffix(" (*)").strip() for line in sys.stdin if "|" in line})
    bad = []
    for crate in crates:
        name_and_version, _, licence = crate.partition("|")
        licence = licence.replace(" (*)", "").strip()
        if name_and_version.split()[0] in BANNED:
            bad.append(f"{name_and_version}: this crate may not be in the tree")
        elif not licence or not satisfied(licence):
            bad.append(f"{name_and_version}: licence {licence!r} is not allowed")
    if not crates:
        bad.append("no crate at all was read: that is no check")
    print("\n".join(bad))
    print(f"licences: {len(crates)} crates, {len(bad)} refused")
    sys.exit(1 if bad else 0)


main()
