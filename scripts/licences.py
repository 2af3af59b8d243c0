"""Reads `cargo tree`: every licence expression must be satisfiable by allowed licences."""

import re
import sys

ALLOWED = {
    "Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unicode-3.0", "Zlib", "CC0-1.0", "BSL-1.0", "Unlicense",
    "MIT-0", "OpenSSL", "CDLA-Permissive-2.0", "Apache-2.0 WITH LLVM-exception", "0BSD",
}
# One TLS and crypto provider in the whole tree, and nothing that is unsound or abandoned.
BANNED = {
    "openssl", "openssl-sys", "native-tls", "ring", "rsa", "webpki-roots", "serde_yml", "rustls-pemfile", "chrono", "protobuf", "tonic",
}


def satisfied(expression):
    """Whether some choice of the expression's alternatives is allowed throughout."""
    expression = expression.replace("/", " OR ")
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
