"""What a server must not take of frames and their order: RFC 9113, sections 3 to 7."""

from expect import (
    Case,
    Expectation,
    Skipped,
    answer_ended,
    answered,
    any_data,
    closed,
    connection_error,
    data_of,
    first,
    ping_acknowledged,
    ping_acknowledged_or_closed,
    settings_acknowledged,
    stream_error,
)
from frames import (
    ACK,
    COMPRESSION_ERROR,
    CONCURRENT_STREAMS,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    SMALLEST_FRAME_LIMIT,
    STREAM_CLOSED,
    UNKNOWN,
    WINDOW_UPDATE,
    continuation,
    data,
    dependency,
    frame,
    goaway,
    headers,
    ping,
    priority,
    rst_stream,
    settings,
    window_update,
)
from field_coding import literal

PAYLOAD = b"spillway"
UNDEFINED_FLAGS = 0x16
RESERVED_BIT = 1 << 31
LARGEST_FRAME = (1 << 24) - 1
UNKNOWN_SETTING, UNKNOWN_CODE = 0xFF, 0xFF
LONG_VALUE = "x" * 4000


def long_fields(number):
    return b"".join(literal(f"x-long{at}", LONG_VALUE) for at in range(number))


def largest_data(beyond=0):
    """DATA as long as the server takes it, or longer."""

    def made(connection):
        limit = connection.settings.get(FRAME_SIZE, SMALLEST_FRAME_LIMIT)
        if limit + beyond > LARGEST_FRAME:
            raise Skipped("a larger frame cannot be written")
        return data(1, b"x" * (limit + beyond), end=True)

    return made


def named(prefix, rows):
    return [Case(f"http2/{name}", f"{prefix} {section}", *rest) for name, section, *rest in rows]


def cases(target):
    return (
        connection_cases(target)
        + stream_state_cases(target)
        + stream_cases(target)
        + frame_cases(target)
        + settings_cases(target)
        + control_cases(target)
        + window_cases(target)
        + continuation_cases(target)
    )


def connection_cases(target):
    get, post = target.request(), target.request("POST")
    preface = PREFACE + settings((INITIAL_WINDOW, INITIAL_WINDOW_SIZE))
    settings_come = Expectation("SETTINGS", lambda got: got.kind == SETTINGS and not got.acknowledges)
    bad_preface = b"NOT WHAT A CLIENT SAYS FIRST\r\n\r\n"
    open_post, unfinished = headers(1, post, end=False), headers(1, get, end=False, end_headers=False)
    more = continuation(1, long_fields(1))
    bare = [
        Case("http2/3.5/1", "RFC 9113 3.4", "a preface is answered with one", [preface], settings_come, bare=True),
        Case("http2/3.5/2", "RFC 9113 3.4", "another preface ends the connection", [bad_preface], closed(), bare=True),
    ]
    return bare + named(
        "RFC 9113",
        [
            (
                "4.1/1",
                "4.1",
                "a frame of unknown type is ignored",
                [frame(UNKNOWN, payload=b"\0" * 8), ping()],
                ping_acknowledged(),
            ),
            (
                "4.1/2",
                "4.1",
                "undefined flags are ignored",
                [frame(PING, UNDEFINED_FLAGS, payload=b"\0" * 8)],
                ping_acknowledged(),
            ),
            (
                "4.1/3",
                "4.1",
                "the reserved bit is ignored",
                [frame(PING, UNDEFINED_FLAGS, RESERVED_BIT, b"\0" * 8)],
                ping_acknowledged(),
            ),
            ("4.2/1", "4.2", "DATA of the largest size is taken", [open_post, largest_data()], answered()),
            ("4.2/2", "4.2", "larger DATA is an error", [open_post, largest_data(1)], stream_error(FRAME_SIZE_ERROR)),
            (
                "4.2/3",
                "4.2",
                "larger HEADERS are the connection's error",
                [headers(1, get + long_fields(5))],
                connection_error(FRAME_SIZE_ERROR),
            ),
            (
                "4.3/1",
                "4.3",
                "a block that cannot be decoded is the connection's error",
                [headers(1, b"\x40")],
                connection_error(COMPRESSION_ERROR),
            ),
            (
                "4.3/2",
                "4.3",
                "PRIORITY within a header block is an error",
                [unfinished, priority(1), more],
                connection_error(PROTOCOL_ERROR),
            ),
            (
                "4.3/3",
                "4.3",
                "HEADERS of another stream within a header block are an error",
                [unfinished, headers(3, get), more],
                connection_error(PROTOCOL_ERROR),
            ),
        ],
    )


def stream_state_cases(target):
    get = target.request()
    whole, opened = headers(1, get), headers(1, get, end=False)
    again = continuation(1, long_fields(1))
    in_sequence = "{} on {} is an error"
    rows = []
    idle = [
        ("DATA", data(1, end=True)),
        ("RST_STREAM", rst_stream(1)),
        ("WINDOW_UPDATE", window_update(1, 100)),
        ("CONTINUATION", continuation(1, get)),
    ]
    for name, sent in idle:
        rows.append((in_sequence.format(name, "an idle stream"), [sent], connection_error(PROTOCOL_ERROR)))
    further = [
        ("DATA", data(1, end=True), [STREAM_CLOSED]),
        ("HEADERS", whole, [STREAM_CLOSED]),
        ("CONTINUATION", again, [STREAM_CLOSED, PROTOCOL_ERROR]),
    ]
    for name, sent, codes in further:
        rows.append((in_sequence.format(name, "a stream that has been ended"), [whole, sent], stream_error(*codes)))
    for name, sent, codes in further:
        steps = [opened, rst_stream(1), sent]
        rows.append((in_sequence.format(name, "a stream that has been reset"), steps, stream_error(*codes)))
    for name, sent, codes in further:
        error = stream_error if name == "DATA" else connection_error
        steps = [whole, answer_ended(), sent]
        rows.append((in_sequence.format(name, "a stream that is closed"), steps, error(*codes)))
    return named("RFC 9113", [(f"5.1/{number}", "5.1", *row) for number, row in enumerate(rows, 1)])


def stream_cases(target):
    get = target.request()
    unfinished = headers(1, get, end_headers=False)
    unknown = frame(UNKNOWN, payload=b"\0" * 8)
    ping_on_a_stream = frame(PING, 0, 3, b"\0" * 8)

    def too_many(connection):
        limit = connection.settings.get(CONCURRENT_STREAMS)
        if limit is None or limit > 10_000:
            raise Skipped("no limit of concurrent streams")
        return b"".join(headers(1 + 2 * number, get) for number in range(limit + 1))

    made = named(
        "RFC 9113",
        [
            (
                "5.1.1/1",
                "5.1.1",
                "an even stream identifier is an error",
                [headers(2, get)],
                connection_error(PROTOCOL_ERROR),
            ),
            (
                "5.1.1/2",
                "5.1.1",
                "a lower stream identifier is an error",
                [headers(5, get), headers(3, get)],
                connection_error(PROTOCOL_ERROR),
            ),
            (
                "5.1.2/1",
                "5.1.2",
                "a stream beyond the limit is refused",
                [settings((INITIAL_WINDOW, 0)), too_many],
                stream_error(PROTOCOL_ERROR, REFUSED_STREAM),
            ),
            (
                "5.4.1/1",
                "5.4.1",
                "after a connection error the connection is closed",
                [ping_on_a_stream],
                closed(),
            ),
            (
                "5.4.1/2",
                "5.4.1",
                "a connection error is told with GOAWAY",
                [ping_on_a_stream],
                first(GOAWAY, "GOAWAY"),
            ),
            ("5.5/1", "5.5", "an unknown extension is ignored", [unknown, ping()], ping_acknowledged()),
            (
                "5.5/2",
                "5.5",
                "an unknown extension within a header block is an error",
                [unfinished, unknown],
                connection_error(PROTOCOL_ERROR),
            ),
        ],
    )
    return made + named(
        "RFC 7540",
        [
            (
                "5.3.1/1",
                "5.3.1",
                "HEADERS of a stream that depends on itself are an error",
                [headers(1, get, priority=dependency(1))],
                stream_error(PROTOCOL_ERROR),
            ),
            (
                "5.3.1/2",
                "5.3.1",
                "PRIORITY of a stream that depends on itself is an error",
                [priority(1, on=1)],
                stream_error(PROTOCOL_ERROR),
            ),
        ],
    )


def frame_cases(target):
    get, post = target.request(), target.request("POST")
    unfinished = headers(1, get, end=False, end_headers=False)
    measured = headers(1, target.request("POST", more=[("content-length", "4")]), end=False)
    overpadded_data = frame(DATA, END_STREAM | PADDED, 1, b"\x06test")
    overpadded_headers = frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, bytes([len(get) + 2]) + get)
    protocol_error = connection_error(PROTOCOL_ERROR)
    return named(
        "RFC 9113",
        [
            ("6.1/1", "6.1", "DATA on stream 0 is an error", [data(0, end=True)], protocol_error),
            (
                "6.1/2",
                "6.1",
                "DATA on a stream that is not open is an error",
                [headers(1, post), data(1, end=True)],
                stream_error(STREAM_CLOSED),
            ),
            ("6.1/3", "6.1", "DATA with more padding than payload is an error", [measured, overpadded_data], protocol_error),
            (
                "6.2/1",
                "6.2",
                "PRIORITY after HEADERS that go on is an error",
                [unfinished, priority(1), continuation(1, long_fields(1))],
                protocol_error,
            ),
            (
                "6.2/2",
                "6.2",
                "HEADERS elsewhere after HEADERS that go on are an error",
                [unfinished, headers(3, get), continuation(1, long_fields(1))],
                protocol_error,
            ),
            ("6.2/3", "6.2", "HEADERS on stream 0 are an error", [headers(0, get)], protocol_error),
            (
                "6.2/4",
                "6.2",
                "HEADERS with more padding than payload are an error",
                [overpadded_headers],
                stream_error(PROTOCOL_ERROR),
            ),
            ("6.3/1", "6.3", "PRIORITY on stream 0 is an error", [priority(0)], protocol_error),
            (
                "6.3/2",
                "6.3",
                "PRIORITY of 4 octets is an error",
                [headers(1, get), frame(PRIORITY, 0, 1, b"\x80\0\0\1")],
                stream_error(FRAME_SIZE_ERROR),
            ),
            ("6.4/1", "6.4", "RST_STREAM on stream 0 is an error", [rst_stream(0)], protocol_error),
            ("6.4/2", "6.4", "RST_STREAM on an idle stream is an error", [rst_stream(1)], protocol_error),
            (
                "6.4/3",
                "6.4",
                "RST_STREAM of 3 octets is an error",
                [headers(1, get), frame(RST_STREAM, 0, 1, b"\0\0\0")],
                stream_error(FRAME_SIZE_ERROR),
            ),
        ],
    )


def settings_cases(target):
    get = target.request()
    a_setting = b"\0\3\0\0\0\x64"
    size_error = connection_error(FRAME_SIZE_ERROR)
    protocol_error = connection_error(PROTOCOL_ERROR)
    return named(
        "RFC 9113",
        [
            ("6.5/1", "6.5", "SETTINGS with ACK and payload are an error", [frame(SETTINGS, ACK, 0, b"\0")], size_error),
            ("6.5/2", "6.5", "SETTINGS on a stream are an error", [frame(SETTINGS, 0, 1, a_setting)], protocol_error),
            (
                "6.5/3",
                "6.5",
                "SETTINGS that are not a multiple of 6 octets are an error",
                [frame(SETTINGS, 0, 0, a_setting + b"\0\2\0")],
                stream_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR),
            ),
            ("6.5.2/1", "6.5.2", "ENABLE_PUSH of 2 is an error", [settings((ENABLE_PUSH, 2))], protocol_error),
            (
                "6.5.2/2",
                "6.5.2",
                "INITIAL_WINDOW_SIZE above 2^31-1 is an error",
                [settings((INITIAL_WINDOW, LARGEST_WINDOW + 1))],
                connection_error(FLOW_CONTROL_ERROR),
            ),
            (
                "6.5.2/3",
                "6.5.2",
                "MAX_FRAME_SIZE below 2^14 is an error",
                [settings((FRAME_SIZE, SMALLEST_FRAME_LIMIT - 1))],
                protocol_error,
            ),
            (
                "6.5.2/4",
                "6.5.2",
                "MAX_FRAME_SIZE above 2^24-1 is an error",
                [settings((FRAME_SIZE, 1 << 24))],
                protocol_error,
            ),
            (
                "6.5.2/5",
                "6.5.2",
                "an unknown setting is ignored",
                [settings((UNKNOWN_SETTING, 1)), ping()],
                ping_acknowledged(),
            ),
            (
                "6.5.3/1",
                "6.5.3",
                "settings are followed in order, the last of two counts",
                [settings((INITIAL_WINDOW, 100), (INITIAL_WINDOW, 1)), settings_acknowledged(), headers(1, get)],
                data_of(1),
            ),
            ("6.5.3/2", "6.5.3", "SETTINGS are acknowledged", [settings((ENABLE_PUSH, 0))], settings_acknowledged()),
        ],
    )


def control_cases(target):
    post = headers(1, target.request("POST"), end=False)
    protocol_error = connection_error(PROTOCOL_ERROR)
    return named(
        "RFC 9113",
        [
            ("6.7/1", "6.7", "PING is answered with its payload", [ping(PAYLOAD)], ping_acknowledged(PAYLOAD)),
            (
                "6.7/2",
                "6.7",
                "PING with ACK is not answered",
                [ping(b"answered", ack=True), ping(PAYLOAD)],
                ping_acknowledged(PAYLOAD),
            ),
            ("6.7/3", "6.7", "PING on a stream is an error", [frame(PING, 0, 1, b"\0" * 8)], protocol_error),
            (
                "6.7/4",
                "6.7",
                "PING of 6 octets is an error",
                [frame(PING, payload=b"\0" * 6)],
                connection_error(FRAME_SIZE_ERROR),
            ),
            ("6.8/1", "6.8", "GOAWAY on a stream is an error", [frame(GOAWAY, 0, 1, b"\0" * 8)], protocol_error),
            (
                "7/1",
                "7",
                "GOAWAY with an unknown code is like any other",
                [goaway(code=UNKNOWN_CODE), ping(PAYLOAD)],
                ping_acknowledged_or_closed(PAYLOAD),
            ),
            (
                "7/2",
                "7",
                "RST_STREAM with an unknown code is like any other",
                [post, rst_stream(1, UNKNOWN_CODE), ping()],
                ping_acknowledged(),
            ),
        ],
    )


def window_cases(target):
    get = target.request()
    whole, opened = headers(1, get), headers(1, get, end=False)
    window = lambda octets: [settings((INITIAL_WINDOW, octets)), settings_acknowledged()]
    goes_away = first(GOAWAY, "GOAWAY FLOW_CONTROL_ERROR", lambda got: got.code == FLOW_CONTROL_ERROR)
    is_reset = first(RST_STREAM, "RST_STREAM FLOW_CONTROL_ERROR", lambda got: got.code == FLOW_CONTROL_ERROR)
    return named(
        "RFC 9113",
        [
            (
                "6.9/1",
                "6.9",
                "an increment of 0 is the connection's error",
                [window_update(0, 0)],
                connection_error(PROTOCOL_ERROR),
            ),
            (
                "6.9/2",
                "6.9",
                "an increment of 0 on a stream is the stream's error",
                [opened, window_update(1, 0)],
                stream_error(PROTOCOL_ERROR),
            ),
            (
                "6.9/3",
                "6.9",
                "WINDOW_UPDATE of 3 octets is an error",
                [frame(WINDOW_UPDATE, payload=b"\0\0\1")],
                connection_error(FRAME_SIZE_ERROR),
            ),
            ("6.9.1/1", "6.9.1", "no more is sent than the window has room for", [*window(1), whole], data_of(1)),
            (
                "6.9.1/2",
                "6.9.1",
                "a window above 2^31-1 is the connection's error",
                [window_update(0, LARGEST_WINDOW) * 2],
                goes_away,
            ),
            (
                "6.9.1/3",
                "6.9.1",
                "a window above 2^31-1 on a stream is the stream's error",
                [opened, window_update(1, LARGEST_WINDOW) * 2],
                is_reset,
            ),
            (
                "6.9.2/1",
                "6.9.2",
                "a changed INITIAL_WINDOW_SIZE changes the windows of open streams",
                [*window(0), whole, *window(1)],
                data_of(1),
            ),
            (
                "6.9.2/2",
                "6.9.2",
                "a window may become negative, and is remembered",
                [*window(3), whole, any_data(), *window(2), window_update(1, 2)],
                data_of(1),
            ),
            (
                "6.9.2/3",
                "6.9.2",
                "INITIAL_WINDOW_SIZE above 2^31-1 is the connection's error",
                [frame(SETTINGS, payload=b"\0\4\x80\0\0\0")],
                connection_error(FLOW_CONTROL_ERROR),
            ),
        ],
    )


def continuation_cases(target):
    get, post = target.request(), target.request("POST")
    unfinished = headers(1, get, end_headers=False)
    goes_on = continuation(1, long_fields(1), end_headers=False)
    last = continuation(1, long_fields(1))
    rows = [
        ("CONTINUATION may follow CONTINUATION", [unfinished, goes_on, last], answered()),
        (
            "DATA after CONTINUATION that goes on is an error",
            [headers(1, post, end=False, end_headers=False), goes_on, data(1, end=True)],
        ),
        ("CONTINUATION on stream 0 is an error", [unfinished, frame(CONTINUATION, END_HEADERS, 0, long_fields(1))]),
        ("CONTINUATION after whole HEADERS is an error", [headers(1, get), last]),
        ("CONTINUATION after the last CONTINUATION is an error", [unfinished, last, last]),
        (
            "CONTINUATION after DATA is an error",
            [headers(1, post, end=False), data(1, end=True), goes_on, last],
        ),
    ]
    return named(
        "RFC 9113",
        [
            (f"6.10/{number}", "6.10", sentence, steps, *(expects or [connection_error(PROTOCOL_ERROR)]))
            for number, (sentence, steps, *expects) in enumerate(rows, 1)
        ],
    )
