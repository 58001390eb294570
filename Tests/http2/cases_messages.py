"""What a server must not take of requests (RFC 9113, section 8) and of their compression (RFC 7541)."""

from expect import Case, connection_error, stream_error
from frames import COMPRESSION_ERROR, PROTOCOL_ERROR, TABLE_SIZE, data, headers, push_promise
from field_coding import END_OF_STRING, block, huffman, integer, literal, table_size

# RFC 7541, Appendix A ends with index 61, and nothing has been added to the dynamic table.
NO_SUCH_INDEX = 70
INITIAL_TABLE_SIZE = 4096


def cases(target):
    return message_cases(target) + compression_cases(target)


def message_cases(target):
    post = headers(1, target.request("POST"), end=False)
    measured = headers(1, target.request("POST", more=[("content-length", "1")]), end=False)
    late = literal("x-test", "ok") + target.request()

    def one(**changes):
        return [headers(1, target.request(**changes))]

    def more(*fields):
        return one(more=fields)

    rows = [
        ("8.1/1", "8.1", "HEADERS in a body that do not end it", [post, data(1), headers(1, literal("x-test", "ok"), end=False)]),
        ("8.1.2/1", "8.2.1", "a field name with uppercase letters", more(("X-TEST", "ok"))),
        ("8.1.2.1/1", "8.3", "an unknown pseudo-header field", more((":test", "ok"))),
        ("8.1.2.1/2", "8.3", "a pseudo-header field of responses", more((":status", "200"))),
        (
            "8.1.2.1/3",
            "8.3",
            "a pseudo-header field among trailers",
            [post, data(1), headers(1, block([(":method", "POST")]), end=False)],
        ),
        ("8.1.2.1/4", "8.3", "a pseudo-header field after another field", [headers(1, late)]),
        ("8.1.2.2/1", "8.2.2", "a field about the connection", more(("connection", "keep-alive"))),
        ("8.1.2.2/2", "8.2.2", "TE with another value than trailers", more(("te", "trailers, deflate"))),
        ("8.1.2.3/1", "8.3.1", "an empty :path", one(path="")),
        ("8.1.2.3/2", "8.3.1", "no :method", one(without=[":method"])),
        ("8.1.2.3/3", "8.3.1", "no :scheme", one(without=[":scheme"])),
        ("8.1.2.3/4", "8.3.1", "no :path", one(without=[":path"])),
        ("8.1.2.3/5", "8.3.1", "two :method", more((":method", "GET"))),
        ("8.1.2.3/6", "8.3.1", "two :scheme", more((":scheme", target.scheme))),
        ("8.1.2.3/7", "8.3.1", "two :path", more((":path", target.path))),
        ("8.1.2.6/1", "8.1.1", "a body that is not as long as Content-Length says", [measured, data(1, end=True)]),
        ("8.1.2.6/2", "8.1.1", "a body in parts, not as long as said", [measured, data(1), data(1, end=True)]),
    ]
    made = [
        Case(f"http2/{name}", f"RFC 9113 {section}", f"{what}: an error", steps, stream_error(PROTOCOL_ERROR))
        for name, section, what, steps in rows
    ]
    promise = push_promise(1, 3, target.request())
    pushed = Case(
        "http2/8.2/1", "RFC 9113 8.4", "PUSH_PROMISE of a client: an error", [promise], connection_error(PROTOCOL_ERROR)
    )
    return made + [pushed]


def compression_cases(target):
    get = target.request()

    def with_value(coded):
        """A literal whose value is these octets, said to be Huffman-coded."""
        return get + b"\0" + integer(6, 7) + b"x-test" + integer(len(coded), 7, 0x80) + coded

    def too_large(connection):
        limit = connection.settings.get(TABLE_SIZE, INITIAL_TABLE_SIZE)
        return headers(1, table_size(limit + 1) + get)

    text = b"test"
    zero_padded = huffman(text, padding="0" * 4)
    ended = huffman([END_OF_STRING, *text])
    rows = [
        ("2.3.3/1", "2.3.3", "an index beyond the tables", headers(1, get + integer(NO_SUCH_INDEX, 7, 0x80))),
        ("2.3.3/2", "2.3.3", "an index beyond the tables for a name", headers(1, get + integer(NO_SUCH_INDEX, 6, 0x40) + b"\0")),
        ("4.2/1", "4.2", "a table size update at a block's end", headers(1, get + table_size(1))),
        ("5.2/1", "5.2", "a string with more than 7 bits of padding", headers(1, with_value(huffman(text) + b"\xff"))),
        ("5.2/2", "5.2", "a string that is padded with zeros", headers(1, with_value(zero_padded))),
        ("5.2/3", "5.2", "a string with the end of the string in it", headers(1, with_value(ended))),
        ("6.1/1", "6.1", "the index 0", headers(1, get + b"\x80")),
        ("6.3/1", "6.3", "a table larger than was allowed", too_large),
    ]
    return [
        Case(f"hpack/{name}", f"RFC 7541 {section}", f"{what}: an error", [step], connection_error(COMPRESSION_ERROR))
        for name, section, what, step in rows
    ]
