"""Numbers of the wire are Int, and what is done with them cannot trap (docs/threat-model.md).

Narrower integers may not be added to, subtracted from or multiplied with checked operators, and are made by
`truncatingIfNeeded`, `clamping` or `exactly`. 52 bytes from any client ended the process where an Int32 was added to.

Nanoseconds fill an Int64 within 292 years, and moments are read from the journal and from commands: in the modules that
work with those, sums, differences and products of nanoseconds are made where they saturate (`Instant`, `Duration`). A year
of four digits in the journal ended the process where seconds were multiplied.
"""

import re

MODULES = ["Wire", "Proxy", "Probes", "Names", "TLS", "Reactor", "Control", "AdminAPI", "Picking", "Failover", "Telemetry"]
# Where moments come from files and commands.
MODULES_OF_MOMENTS = ["Failover", "Store", "spillway"]
NARROW = r"U?Int(?:8|16|32)"
LABELS = "truncatingIfNeeded|clamping|exactly|ascii|bitPattern|bigEndian|littleEndian"
# Up to two pairs of parentheses within.
INSIDE = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
CONVERSION = re.compile(rf"(?<![\w.@])({NARROW})\((?!(?:{LABELS}):)({INSIDE})\)")
# What fits whatever it is: a constant, a constant of C, few bits.
FITS = re.compile(r"[A-Z][A-Z_0-9]*(?:\.rawValue)?|\d[\dxa-f_]*|.* & (?:0x[0-7]?[0-9a-f]|\d{1,2}|127|255|0xff)")
DECLARED = re.compile(rf"(\w+)\??: (?:inout )?{NARROW}\b(?!\])|(?:let|var) (\w+) = {NARROW}\(")
SUBTRACTED = re.compile(r"(?<=[\w)\]]) -=? UInt(?:64)?\(")
CHECKED = r"(?:\+|-|\*|\+=|-=|\*=)"
TIMES = r"(?:nanoseconds|attoseconds)"
TIMED = re.compile(
    rf"\b{TIMES}\b(?! ?[:(]) {CHECKED} |[\w)\]] {CHECKED} (?:[\w.]+\.)?{TIMES}\b(?! ?[:(])"
    rf"|[\w)] \* 1_000_000(?:_000)?\b(?! /)")

BROKEN = {
    "a narrow integer that is added to": {
        "Sources/Proxy/A.swift": "var highestStream: Int32 = 0\nlet next = highestStream + 2\n"},
    "a narrow integer that is added": {"Sources/Wire/A.swift": "func a(size: UInt16) -> Int { b = 1 + size }\n"},
    "a conversion that is multiplied": {"Sources/Wire/A.swift": "let a = UInt32(clamping: b) * 1_000\n"},
    "a conversion that does not fit": {"Sources/TLS/A.swift": "let a = UInt8(b.count)\n"},
    "a narrow integer of counters": {"Sources/Control/A.swift": "let a = UInt16(report.count)\n"},
    "a subtraction below zero": {"Sources/Probes/A.swift": "remaining = remaining - UInt64(count)\n"},
    "seconds that are multiplied": {
        "Sources/Failover/A.swift": "return seconds * 1_000_000_000 + attoseconds / 1_000_000_000\n"},
    "moments that are subtracted": {"Sources/Failover/A.swift": "let a = a.nanoseconds - b.nanoseconds\n"},
    "a moment that is added to": {"Sources/Store/A.swift": "let a = Instant(nanoseconds: b.nanoseconds + 1)\n"},
    "a date that is multiplied": {
        "Sources/Failover/A.swift": "self.init(nanoseconds: (days * 86_400 + second) * 1_000_000_000 + rest)\n"},
}


def findings(sources):
    """(place, what is wrong)."""
    for path, text in sources.swift(*MODULES):
        names = {a or b for a, b in DECLARED.findall(text)}
        either = "|".join(sorted(map(re.escape, names))) or r"(?!)"
        narrow = re.compile(
            rf"(?<![\w.])(?:self\.)?(?:{either}) {CHECKED} |[\w)\]] {CHECKED} (?:self\.)?(?:{either})\b(?!\.)"
            rf"|(?<![\w.]){NARROW}\({INSIDE}\) [-+*]=? ")
        for line in text.split("\n"):
            # An address of memory has no number's limits.
            line = re.sub(r"\b(?:memory|events|records) \+ ", "", line.strip())
            for kind, argument in CONVERSION.findall(line):
                if not FITS.fullmatch(argument.strip()):
                    yield f"{path}: {kind}({argument})", "a conversion that traps when the number does not fit"
            if narrow.search(line):
                yield f"{path}: {line}", "checked arithmetic on a narrow integer"
            if SUBTRACTED.search(line):
                yield f"{path}: {line}", "a checked subtraction without sign"
    for path, text in sources.swift(*MODULES_OF_MOMENTS):
        for line in text.split("\n"):
            if TIMED.search(line):
                yield f"{path}: {line.strip()}", "checked arithmetic on nanoseconds, which fill an Int64 in 292 years"
