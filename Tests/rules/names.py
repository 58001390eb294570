"""What nothing uses is deleted: every name that is declared in the sources occurs somewhere else, too."""

import re
from collections import Counter

MODIFIERS = (r"(?:(?:package|public|internal|private|fileprivate|static|final|mutating|nonisolated|consuming|borrowing"
             r"|override|indirect|lazy|weak|unowned|class|private\(set\)|package\(set\)|fileprivate\(set\)"
             r"|nonisolated\(unsafe\)|unowned\(unsafe\)|@\w+(?:\([^)]*\))?)\s+)*")
DECLARATION = re.compile(
    rf"^[ \t]*{MODIFIERS}(?:func|var|let|struct|class|enum|actor|protocol|typealias|indirect enum)\s+`?([A-Za-z]\w*)", re.M)
# Cases that are declared; those that are matched have a dot, or a colon at their end.
CASES = re.compile(r"^[ \t]*(?:indirect )?case (`?[A-Za-z][^.:\n]*(?:\([^\n]*\)[^.:\n]*)*)$", re.M)
WORD = re.compile(r"\w+")

BROKEN = {
    "a function": {"Sources/Wire/A.swift": "package mutating func subtract(_ other: B) {}\n"},
    "a constant": {"Sources/Wire/A.swift": "package static let addressInUse = B(code: 1)\n"},
    "a setting that is declared, and set in a text": {
        "Sources/Wire/A.swift": "package var degradedBelow = 5 // degradedBelow\nlet a = \"degradedBelow\"\na"},
    "a case": {"Sources/Wire/A.swift": "enum A {\n    case first\n}\nlet a = A.second\na\n"},
}


def findings(sources):
    """(path and name, what is wrong). Who uses it may be a test."""
    used = Counter()
    for path in sources.texts:
        if path.endswith(".swift"):
            used.update(WORD.findall(sources.code(path)))
        elif path.endswith((".h", ".c")):
            used.update(WORD.findall(sources.texts[path]))
    declared, places = Counter(), {}
    for path, text in sources.swift():
        # Functions that C calls are given to it by their C names.
        names = DECLARATION.findall(re.sub(r"@_?c(?:decl)?\([^)]*\)\s[^{]*", "", text))
        for cases in CASES.findall(text):
            names += re.findall(r"(?:^|, )`?([A-Za-z]\w*)", re.sub(r"\([^)]*\)", "", cases))
        for name in names:
            declared[name] += 1
            places.setdefault(name, path)
    for name, count in sorted(declared.items()):
        if used[name] <= count:
            yield f"{places[name]}: {name}", "nothing uses it"
