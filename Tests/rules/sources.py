"""The files that rules are held against."""

import re
from dataclasses import dataclass, field

NOT_CODE = re.compile(r'"""(?:\\.|.)*?"""|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)
INTERPOLATION = re.compile(r"\\\(")


def code(text):
    """A Swift source without its comments and texts, line by line; what is interpolated into a text stays."""

    def blank(match):
        found = match.group()
        if not found.startswith('"'):
            return "\n" * found.count("\n")
        return '""' + "".join(interpolations(found)) + "\n" * found.count("\n")

    return NOT_CODE.sub(blank, text)


def interpolations(text):
    for match in INTERPOLATION.finditer(text):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield " " + text[match.end():end - 1].replace("\n", " ")


@dataclass
class Sources:
    """Files by their path in the repository."""

    texts: dict = field(default_factory=dict)
    _code: dict = field(default_factory=dict)

    @staticmethod
    def read(repository):
        patterns = ["Sources/*/*.swift", "Tests/**/*.swift", "Benchmarks/**/*.swift", "docs/*.md",
                    "Sources/*/*.h", "Sources/*/*.c", "Sources/*/include/*.h"]
        paths = {path for pattern in patterns for path in repository.glob(pattern)}
        return Sources({str(path.relative_to(repository)): path.read_text() for path in sorted(paths)})

    @staticmethod
    def of(files):
        return Sources(files)

    def swift(self, *modules):
        """(path, code) of the sources of some modules, or of all."""
        for path in self.texts:
            if path.startswith("Sources/") and path.endswith(".swift"):
                if not modules or path.split("/")[1] in modules:
                    yield path, self.code(path)

    def code(self, path):
        if path not in self._code:
            self._code[path] = code(self.texts[path])
        return self._code[path]
