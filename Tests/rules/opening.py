"""Files are opened for reading in one place, `RegularFile`: only regular ones, without waiting, bounded in bytes, with errors
in words. Whatever reads in another way hangs on a named pipe, or takes a device for a file without an end.
"""

import re

OPENING = re.compile(
    r"\bO_(?:RDONLY|RDWR)\b|\b(?:Data|String)\(contentsOf(?:File)?:|\bFileHandle\(|\bfopen\(|\bInputStream\(|"
    r"FileManager\.default\.contents\(")

BROKEN = {
    "a file that is opened by a call of the system": {
        "Sources/TLS/A.swift": "let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)\n"},
    "a file that Foundation reads": {"Sources/spillway/A.swift": "let text = try String(contentsOf: url, encoding: .utf8)\n"},
}


def findings(sources):
    """(file and call, what is wrong)."""
    for path, text in sources.swift():
        if path.startswith("Sources/Files/"):
            continue
        for call in sorted({match.group().strip("(:") for match in OPENING.finditer(text)}):
            yield f"{path}: {call}", "reads a file in a way of its own"
