"""The metrics page, read by the parser of Prometheus' own client."""

import contextlib
import gzip
import urllib.request

from group import Group, equal, holds
from prometheus_client.parser import text_string_to_metric_families
from router import Router, route, service

# What a route may match: anything that can be in a path or a field.
ODD = ['say "hello"', "back\\slash", "\\", '"', "a\\nb", "grün", "{x=\"1\"} 2", "# HELP x", "t\tab", "=,"]


@contextlib.contextmanager
def world(directory, binary):
    answers = [{"match": {"path": "/", "header": {"x-odd": odd}}, "respond": {"status": 204}} for odd in ODD]
    with Router(directory, binary, {"refused": service(1, 2)}, answers + [route("/refused", "refused")]) as router:
        yield router


GROUP = Group("metrics", world)


def page(router, **fields):
    asked = urllib.request.Request(f"http://127.0.0.1:{router.admin_port}/metrics", headers=fields)
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return answer.headers, answer.read()


@GROUP.test
def are_well_formed(router):
    """The page is valid, whatever is in a route's text: each family once and typed, each series once, labels as they were."""
    for odd in ODD:
        value = odd.encode().decode("latin-1")
        status = router.curl("-o", "/dev/null", "-w", "%{http_code}", "-H", f"x-odd: {odd}", f"{router.url}/")
        equal(status, b"204", value)
    router.curl("-o", "/dev/null", f"{router.url}/refused")
    families, series = set(), set()
    for family in text_string_to_metric_families(page(router)[1].decode()):
        holds(family.name not in families, f"{family.name} comes twice")
        holds(family.type in ("counter", "gauge", "histogram"), f"{family.name} is {family.type}")
        holds(family.documentation, f"{family.name} is not explained")
        families.add(family.name)
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            holds(key not in series, f"{key} comes twice")
            series.add(key)
    told = {dict(labels)["route"] for name, labels in series if name == "spillway_route_requests_total"}
    equal(told, {f"path /, header x-odd: {odd}" for odd in ODD} | {"path /refused"})
    codes = {dict(labels)["code"] for name, labels in series if name == "spillway_service_responses_total"}
    equal(codes, {"502"})


@GROUP.test
def are_compressed(router):
    """Who takes gzip gets the same families in a tenth of the bytes."""
    names = lambda text: [family.name for family in text_string_to_metric_families(text.decode())]
    plain_headers, plain = page(router)
    headers, packed = page(router, **{"Accept-Encoding": "br;q=1, gzip;q=0.8, *;q=0.1"})
    equal((plain_headers["content-encoding"], headers["content-encoding"]), (None, "gzip"))
    holds(len(packed) * 5 < len(plain), f"{len(packed)} of {len(plain)}")
    equal(names(gzip.decompress(packed)), names(plain))
