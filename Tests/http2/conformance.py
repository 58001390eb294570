#!/usr/bin/env python3
"""Conformance: what HTTP/2 asks of a server, case by case, each on a connection of its own with raw frames.

The cases are those of the h2spec suite, written anew: `generic` is what every server must take, `http2` what RFC 9113
(and of priorities RFC 7540) forbids, `hpack` what RFC 7541 forbids. The server must answer the path with at least
5 bytes.

    conformance.py HOST:PORT                     all cases
    conformance.py HOST:PORT --tls http2/6.9     those whose names begin so
    conformance.py HOST:PORT --exact             a closed connection is no substitute for the right error code

Exits 1 when a case is not met.
"""

import argparse
import sys
import time

import cases_frames
import cases_messages
import cases_ordinary
from connection import Connection, Target
from expect import Outcome, Skipped

MODULES = [cases_ordinary, cases_frames, cases_messages]


def all_cases(target):
    return [case for module in MODULES for case in module.cases(target)]


def carry_out(case, target):
    """Returns an Outcome, or None if the case does not apply."""
    try:
        with Connection(target) as connection:
            return case.run(connection)
    except Skipped:
        return None
    except OSError as problem:
        return Outcome(False, f"no connection: {problem}")


def run_cases(target, prefixes=(), exact=False, verbose=False):
    """Returns (names of cases met, not met, that do not apply)."""
    met, unmet, skipped = [], [], []
    for case in all_cases(target):
        if prefixes and not case.name.startswith(tuple(prefixes)):
            continue
        begun = time.monotonic()
        outcome = carry_out(case, target)
        seconds = time.monotonic() - begun
        if outcome is None:
            skipped.append(case.name)
            verdict = "skipped"
        elif outcome.met and (outcome.exact or not exact):
            met.append(case.name)
            verdict = "met"
        else:
            unmet.append(case.name)
            verdict = "NOT MET"
        if verbose or verdict == "NOT MET":
            print(f"{verdict:8} {case.name:18} {case.section:18} {case.sentence}  ({seconds:.1f} s)")
        if outcome and (verdict == "NOT MET" or verbose and not outcome.exact):
            print(f"{'':8} {'':18} due: {case.expects.text}; came: {outcome.told}")
        sys.stdout.flush()
    return met, unmet, skipped


def print_summary(what, met, unmet, skipped):
    print(f"{what}: {len(met)} of {len(met) + len(unmet) + len(skipped)} cases met, {len(unmet)} not met", end="")
    print(f", {len(skipped)} do not apply" if skipped else "")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("names", nargs="*", help="beginnings of names of cases; default: all")
    parser.add_argument("--tls", action="store_true", help="with TLS, h2 by ALPN; certificates are not verified")
    parser.add_argument("--path", default="/", help="the path to ask for (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=2.0, help="seconds to wait (default: %(default)s)")
    parser.add_argument("--exact", action="store_true", help="the right error code must be told")
    parser.add_argument("-v", "--verbose", action="store_true", help="also what is met")
    return parser.parse_args()


def main():
    options = parse_options()
    host, port = options.server.rsplit(":", 1)
    target = Target(host, int(port), options.tls, options.path, options.patience)
    met, unmet, skipped = run_cases(target, options.names, options.exact, options.verbose)
    print_summary(options.server, met, unmet, skipped)
    sys.exit(1 if unmet else 0)


if __name__ == "__main__":
    main()
