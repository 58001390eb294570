"""What there is to set and to watch is used, and its page says so; what a page says there is.

Keys of a table and docs/routing-table.md agree by another test (`ReferenceTests`), which writes the page's reference.
"""

import re

METRIC = re.compile(r"`(spillway_\w+)(?:\{[^}`]*\})?`")
FAMILY = re.compile(r'"(spillway_[^"\s{]*(?:\\\([^)]*\)[^"\s{]*)*)"')
# Where a table is read, written and compared; who only does that does nothing with a setting.
CARRIERS = ("Sources/RouteFiles/", "Sources/RouteTable/TableDifference")
TABLE = ["Table.swift", "TableTLS.swift", "FailoverPolicy.swift", "ToldHost.swift"]
PROPERTY = re.compile(r"^    (?:    )?package var `?(\w+)`?(?:: [^{\n]+| = [^{\n]+)$", re.M)

BROKEN = {
    "a metric without a page": {
        "Sources/Control/A.swift": 'text.family("spillway_news_total", .counter, "News.")', "docs/metrics.md": ""},
    "a metric of the page that is none": {
        "Sources/Control/A.swift": 'text.family("spillway_\\(kind)_total", .counter, "A.")',
        "docs/metrics.md": "`spillway_a_total{a}` `spillway_gone{listener}`"},
    "a setting of the table that nothing reads": {
        "Sources/RouteTable/Table.swift": "struct A {\n    package var degradedBelow: Int = 5\n}\n",
        "Sources/RouteFiles/A.swift": "a.degradedBelow = 1", "docs/metrics.md": ""},
    "a setting of the process that nothing reads": {
        "Sources/spillway/Settings.swift": "struct Settings {\n    var drain = 30\n    enum Key: String {\n"
                                           "        case drain\n    }\n}\n",
        "docs/running.md": "`--drain` `SPILLWAY_DRAIN` `drain`", "docs/metrics.md": ""},
    "a setting of the process without a page": {
        "Sources/spillway/Settings.swift": "struct Settings {\n    enum Key: String {\n        case drain\n    }\n}\n",
        "Sources/spillway/A.swift": "settings.drain", "docs/running.md": "", "docs/metrics.md": ""},
    "a variable of the environment without a page": {
        "Sources/spillway/A.swift": 'environment["SPILLWAY_NEW"]', "docs/running.md": "", "docs/metrics.md": ""},
}


def findings(sources):
    """(place, what is wrong)."""
    yield from metrics(sources)
    yield from table(sources)
    yield from process(sources)


def metrics(sources):
    page = sources.texts.get("docs/metrics.md", "")
    documented = set(METRIC.findall(page))
    made = {}
    for path, _ in sources.swift("Control", "Telemetry", "AdminAPI"):
        for name in FAMILY.findall(sources.texts[path]):
            made[name] = path
    patterns = {name: re.compile(re.sub(r"\\\\\\\(.*?\\\)", r"\\w+", re.escape(name))) for name in made}
    for name, pattern in patterns.items():
        if not any(pattern.fullmatch(one) for one in documented):
            yield f"{made[name]}: {name}", "a metric that docs/metrics.md does not tell of"
    for one in sorted(documented):
        # Histograms have names that end so, and rules of alerts others.
        plain = re.sub(r"_(bucket|sum|count)$", "", one)
        if not any(pattern.fullmatch(one) or pattern.fullmatch(plain) for pattern in patterns.values()):
            yield f"docs/metrics.md: {one}", "a metric that there is not"


def table(sources):
    """What a table can say is used by somebody who does not only carry it."""
    users = "\n".join(text for path, text in sources.swift() if not path.startswith(CARRIERS))
    for name in TABLE:
        path = f"Sources/RouteTable/{name}"
        if path not in sources.texts:
            continue
        for setting in sorted(set(PROPERTY.findall(sources.code(path)))):
            if not re.search(rf"[.\\]{setting}\b", users):
                yield f"{path}: {setting}", "a setting that nothing reads"


def process(sources):
    page = sources.texts.get("docs/running.md", "")
    for path, _ in sources.swift("spillway", "Control", "AdminAPI", "Store"):
        for variable in sorted(set(re.findall(r'"(SPILLWAY_[A-Z_]*[A-Z])"', sources.texts[path]))):
            if f"`{variable}`" not in page:
                yield f"{path}: {variable}", "a variable that docs/running.md does not tell of"
    path = "Sources/spillway/Settings.swift"
    if path not in sources.texts:
        return
    keys = sources.texts[path].split("enum Key", 1)[-1].split("\n    }", 1)[0]
    others = "\n".join(text for other, text in sources.swift("spillway") if other != path)
    for line in re.findall(r"case ([^\n]+)", keys):
        for name, text in re.findall(r'(\w+)(?: = "([^"]+)")?', line):
            text = text or name
            if not re.search(rf"\b[sS]ettings\.{name}\b|\)\.{name}\b", others):
                yield f"{path}: {name}", "a setting that nothing reads"
            for written in (f"--{text}", "SPILLWAY_" + text.upper().replace("-", "_"), text.replace("-", "_")):
                if f"`{written}`" not in page:
                    yield f"{path}: {written}", "a setting that docs/running.md does not tell of"
