"""What every server must take without complaint: the frames, the messages, the compression."""

from expect import (
    Case,
    answer_ended,
    answered,
    any_data,
    first,
    ping_acknowledged,
    ping_acknowledged_or_closed,
    settings_acknowledged,
)
from frames import (
    CANCEL,
    CONCURRENT_STREAMS,
    ENABLE_PUSH,
    FRAME_SIZE,
    HEADER_LIST_SIZE,
    INITIAL_WINDOW,
    INITIAL_WINDOW_SIZE,
    PREFACE,
    SETTINGS,
    SMALLEST_FRAME_LIMIT,
    TABLE_SIZE,
    continuation,
    data,
    dependency,
    goaway,
    headers,
    ping,
    priority,
    rst_stream,
    settings,
    window_update,
)
from field_coding import NEVER_INDEXED, STATIC_TABLE, WITH_INDEXING, WITHOUT_INDEXING, indexed, literal, table_size

PAYLOAD = b"spillway"
USER_AGENT = STATIC_TABLE.index(("user-agent", "")) + 1


def cases(target):
    get, post = target.request(), target.request("POST")
    no_window = settings((INITIAL_WINDOW, 0))
    everything = settings(
        (TABLE_SIZE, 4096),
        (ENABLE_PUSH, 1),
        (CONCURRENT_STREAMS, 100),
        (INITIAL_WINDOW, INITIAL_WINDOW_SIZE),
        (FRAME_SIZE, SMALLEST_FRAME_LIMIT),
        (HEADER_LIST_SIZE, 100),
    )
    preface = PREFACE + settings((INITIAL_WINDOW, INITIAL_WINDOW_SIZE))
    settings_first = first(SETTINGS, "SETTINGS", lambda got: not got.acknowledges)
    settings_first.refuses = lambda _: True
    frame_cases = [
        ("1/1", "3.4", "SETTINGS are the first that a server says", [preface], settings_first),
        ("2/1", "5.1", "PRIORITY on an idle stream is taken", [priority(1), ping()], ping_acknowledged()),
        (
            "2/2",
            "5.1",
            "WINDOW_UPDATE on a stream that the client has ended is taken",
            [no_window, headers(1, get), window_update(1, 1)],
            any_data(),
        ),
        (
            "2/3",
            "5.1",
            "PRIORITY on a stream that the client has ended is taken",
            [no_window, headers(1, get), priority(1), window_update(1, 1)],
            any_data(),
        ),
        (
            "2/4",
            "5.1",
            "RST_STREAM on a stream that the client has ended is taken",
            [headers(1, get), rst_stream(1, CANCEL), ping()],
            ping_acknowledged_or_closed(),
        ),
        (
            "2/5",
            "5.1",
            "PRIORITY on a closed stream is taken",
            [headers(1, get), answer_ended(), priority(1), ping()],
            ping_acknowledged(),
        ),
        ("3.1/1", "6.1", "DATA is taken", [headers(1, post, end=False), data(1, end=True)], answered()),
        (
            "3.1/2",
            "6.1",
            "several DATA frames are taken",
            [headers(1, post, end=False), data(1), data(1, end=True)],
            answered(),
        ),
        (
            "3.1/3",
            "6.1",
            "DATA with padding is taken",
            [headers(1, post, end=False), data(1, end=True, padding=b"\0" * 6)],
            answered(),
        ),
        ("3.2/1", "6.2", "HEADERS are taken", [headers(1, get)], answered()),
        ("3.2/2", "6.2", "HEADERS with padding are taken", [headers(1, get, padding=b"\0" * 8)], answered()),
        ("3.2/3", "6.2", "HEADERS with a priority are taken", [headers(1, get, priority=dependency())], answered()),
        ("3.3/1", "6.3", "PRIORITY of weight 1 is taken", [priority(1, weight=0), headers(1, get)], answered()),
        ("3.3/2", "6.3", "PRIORITY of weight 256 is taken", [priority(1, weight=255), headers(1, get)], answered()),
        ("3.3/3", "6.3", "PRIORITY with a dependency is taken", [priority(3, on=1), headers(1, get)], answered()),
        ("3.3/4", "6.3", "exclusive PRIORITY is taken", [priority(1, exclusive=True), headers(1, get)], answered()),
        ("3.3/5", "6.3", "PRIORITY on a later stream opens nothing", [priority(3), headers(1, get)], answered()),
        (
            "3.4/1",
            "6.4",
            "RST_STREAM is taken",
            [headers(1, get, end=False), rst_stream(1), ping()],
            ping_acknowledged_or_closed(),
        ),
        ("3.5/1", "6.5", "SETTINGS of every kind are acknowledged", [everything], settings_acknowledged()),
        ("3.7/1", "6.7", "PING is answered", [ping(PAYLOAD)], ping_acknowledged(PAYLOAD)),
        ("3.8/1", "6.8", "GOAWAY is taken", [goaway(debug=b"bye"), ping(PAYLOAD)], ping_acknowledged_or_closed(PAYLOAD)),
        ("3.9/1", "6.9", "WINDOW_UPDATE of the connection is taken", [window_update(0, 1), ping()], ping_acknowledged()),
        ("3.9/2", "6.9", "WINDOW_UPDATE of a stream is taken", [headers(1, get), window_update(1, 1)], answered()),
        (
            "3.10/1",
            "6.10",
            "CONTINUATION is taken",
            [headers(1, get[:5], end_headers=False), continuation(1, get[5:])],
            answered(),
        ),
        (
            "3.10/2",
            "6.10",
            "several CONTINUATION frames are taken",
            [
                headers(1, get[:5], end_headers=False),
                continuation(1, get[5:10], end_headers=False),
                continuation(1, get[10:]),
            ],
            answered(),
        ),
    ]
    trailing = target.request("POST", more=[("trailer", "x-test")])
    message_cases = [
        ("4/1", "8.1", "GET is answered", [headers(1, get)], answered()),
        ("4/2", "8.1", "HEAD is answered", [headers(1, target.request("HEAD"))], answered()),
        ("4/3", "8.1", "POST is answered", [headers(1, post, end=False), data(1, end=True)], answered()),
        (
            "4/4",
            "8.1",
            "POST with trailers is answered",
            [headers(1, trailing, end=False), data(1), headers(1, literal("x-test", "ok"))],
            answered(),
        ),
    ]
    made = [
        Case(f"generic/{name}", f"RFC 9113 {section}", sentence, steps, expects, bare=name == "1/1")
        for name, section, sentence, steps, expects in frame_cases + message_cases
    ]
    return made + compression_cases(get)


def compression_cases(get):
    """Every representation of a field that RFC 7541 knows, after or before those of a request."""
    appended = [("6.1", "an indexed field", indexed(USER_AGENT))]
    kinds = [
        ("6.2.1", "with indexing", WITH_INDEXING),
        ("6.2.2", "without indexing", WITHOUT_INDEXING),
        ("6.2.3", "never indexed", NEVER_INDEXED),
    ]
    for section, kind_text, kind in kinds:
        for name_text, name in [("an indexed name", USER_AGENT), ("a new name", "x-test")]:
            for coded in (False, True):
                text = f"a literal {kind_text}, {name_text}{', Huffman-coded' if coded else ''}"
                appended.append((section, text, literal(name, "spillway", kind, coded)))
    blocks = [(section, text, get + field) for section, text, field in appended]
    blocks.append(("6.3", "a table size update", table_size(0) + get))
    blocks.append(("4.2", "two table size updates", table_size(0) + table_size(4096) + get))
    return [
        Case(f"generic/5/{number}", f"RFC 7541 {section}", f"{text} is taken", [headers(1, block)], answered())
        for number, (section, text, block) in enumerate(blocks, 1)
    ]
