"""Nothing that can stand still is called on an actor or a loop: a disk, a pipe, a name server or another process may not
answer, and then nothing is decided and nobody served. Such calls have threads of their own, in files that say so.
"""

import re

# Wherever code of these runs, it may be an actor or a loop.
MODULES = ["AdminAPI", "Control", "Failover", "Names", "Picking", "Probes", "Proxy", "Reactor", "RouteTable", "TLS", "Telemetry",
           "Wire"]
# Of the command only what a running router does: other commands have nobody waiting.
OF_THE_COMMAND = ["LogOutput.swift", "RunCommand.swift", "Signals.swift"]

# Functions of C: called by name alone, or as Glibc's.
FUNCTIONS = """
    chmod chown dup2 fchmod fchown fclose fdatasync fflush fgets flock fopen fork fputs fread fstat fsync ftruncate fwrite
    getaddrinfo getgrgid getgrnam gethostbyname getline getpwnam getpwuid lstat mkdir mkstemp nanosleep open openat opendir
    pause poll popen pread pthread_cond_wait pthread_join pwrite read readdir readlink readv realpath rename rmdir select
    sem_wait sigwait sleep stat symlink syslog tcdrain truncate unlink usleep utimes waitpid write writev
    clinux_read clinux_write clinux_resolve cssl_trust_system
    print debugPrint readLine
""".split()
# Types and their functions.
WORDS = [
    r"FileHandle", r"FileManager", r"\b(?:Data|String)\(contentsOf(?:File)?:", r"\.write\(to(?:File)?: (?!&)", r"DispatchQueue\b",
    r"DispatchGroup\b", r"DispatchSemaphore\b", r"\bProcess\(", r"\bPipe\(", r"URLSession", r"NSCondition",
    r"Thread\.pause", r"Thread\.sleep", r"\bTableReader\(environment: [^\[]", r"TLSFileReader\(", r"\bEncryption\(of:",
    r"\bFileLook\(", r"RegularFile\.", r"TableFiles\.texts", r"StateFiles\.", r"StateLock\.", r"DecisionJournal\.latest", r"EvidenceLog\.names",
    r"\bstore\.(?!path|journal\(\)|evidence\(\))\w+\(", r"UnixSocketFile\.", r"\bopening\.open\(",
    r"ListeningSocket\.isTaken",
]
WORD = re.compile("|".join(f"({word})" for word in WORDS))

BROKEN = {
    "a file that is read on an actor": {"Sources/Control/A.swift": "let a = try Data(contentsOf: url)\n"},
    "a line that is written on an actor": {"Sources/Control/A.swift": "FileHandle.standardError.write(line)\n"},
    "a name that is asked for on a loop": {"Sources/Proxy/A.swift": "_ = unsafe getaddrinfo(name, nil, nil, &list)\n"},
    "a loop that sleeps": {"Sources/Reactor/A.swift": "usleep(1_000)\n"},
    "a status of a file": {"Sources/Control/A.swift": "guard unsafe lstat(path, &status) == 0 else { return }\n"},
    "a read beside a function of that name": {
        "Sources/Proxy/A.swift": "private func read() {}\nlet count = Glibc.read(number, room, 1)\n"},
    "the store's disk": {"Sources/Control/A.swift": "try store.keepTable(text)\n"},
    "a table that is read": {"Sources/Control/A.swift": "TableReader(environment: environment).read(path: path)\n"},
}


def findings(sources):
    """(file and call, what is wrong)."""
    for path, text in sources.swift(*MODULES, "spillway"):
        module, name = path.split("/")[1:]
        if module == "spillway" and name not in OF_THE_COMMAND:
            continue
        own = set(re.findall(r"\bfunc (\w+)[(<]", text))
        called = {match.group(2) for match in re.finditer(r"(?<![\w.])(func )?\b(\w+)\(", text) if not match.group(1)}
        called = {function for function in FUNCTIONS if function in called - own}
        called |= {function for function in FUNCTIONS if re.search(rf"\bGlibc\.{function}\(", text)}
        called |= {match.group().strip("(: ") for match in WORD.finditer(text)}
        # A value, not a call.
        if "stat" in called and not re.search(r"(?<![\w.])stat\([^)]", text):
            called.discard("stat")
        for call in sorted(called):
            yield f"{path}: {call}", "may stand still"
