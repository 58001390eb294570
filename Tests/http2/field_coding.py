"""Header compression (RFC 7541): an encoder that keeps no state, and a decoder that does.

The encoder writes each field as the caller says, so that a block of bytes means the same wherever it is sent; what
a test wants of the dynamic table it writes itself with `literal` and `indexed`.
"""

STATIC_TABLE = [
    tuple(entry.split("=", 1)) if "=" in entry else (entry, "")
    for entry in (
        ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204"
        " :status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,_deflate"
        " accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control"
        " content-disposition content-encoding content-language content-length content-location content-range"
        " content-type cookie date etag expect expires from host if-match if-modified-since if-none-match if-range"
        " if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range"
        " referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary"
        " via www-authenticate"
    ).split(" ")
]
STATIC_TABLE = [(name, value.replace("_", " ")) for name, value in STATIC_TABLE]

# Bits of each symbol's code, the end of the string (256) last. The code of RFC 7541, Appendix B is canonical: symbols
# in order of length, and of value among equal lengths, have consecutive codes; so the lengths say all.
HUFFMAN_LENGTHS = [
    int(length)
    for length in (
        "13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28 6 10 10 12 13 6 8"
        " 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8"
        " 13 19 13 14 6 15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 20 22 20 20 22 22 22 23 22"
        " 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24 22 21 20 22 22 23 23 21 23 22 22 24 21 22"
        " 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26"
        " 27 27 26 27 24 21 21 26 26 28 27 27 27 20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27"
        " 27 28 27 27 27 27 27 26 30"
    ).split()
]
END_OF_STRING = 256


def canonical_codes():
    """Symbol → (code, bits)."""
    codes, code, bits = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(HUFFMAN_LENGTHS)):
        code <<= length - bits
        bits = length
        codes[symbol] = (code, bits)
        code += 1
    return codes


HUFFMAN_CODES = canonical_codes()
HUFFMAN_SYMBOLS = {code_and_bits: symbol for symbol, code_and_bits in HUFFMAN_CODES.items()}


class DecodingError(Exception):
    """A header block that does not follow the rules."""


def integer(value, prefix_bits, first=0):
    """An integer with a prefix of so many bits; `first` has what is above them (section 5.1)."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    encoded = [first | limit]
    value -= limit
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes(encoded + [value])


def huffman(symbols, padding=None):
    """The coded symbols, padded with ones to a whole octet, or with the bits that `padding` gives."""
    bits = "".join(format(code, f"0{length}b") for code, length in (HUFFMAN_CODES[symbol] for symbol in symbols))
    bits += "1" * (-len(bits) % 8) if padding is None else padding
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


def string(text, coded=False):
    """A string literal (section 5.2)."""
    octets = text if isinstance(text, bytes) else text.encode()
    if not coded:
        return integer(len(octets), 7) + octets
    octets = huffman(octets)
    return integer(len(octets), 7, 0x80) + octets


# First octet and prefix of a literal (section 6.2).
WITH_INDEXING, WITHOUT_INDEXING, NEVER_INDEXED = (0x40, 6), (0x00, 4), (0x10, 4)


def indexed(index):
    """An indexed field (section 6.1)."""
    return integer(index, 7, 0x80)


def literal(name, value, kind=WITHOUT_INDEXING, coded=False):
    """A literal field; `name` is its text, or an index."""
    first, prefix = kind
    if isinstance(name, int):
        return integer(name, prefix, first) + string(value, coded)
    return bytes([first]) + string(name, coded) + string(value, coded)


def table_size(size):
    """A dynamic table size update (section 6.3)."""
    return integer(size, 5, 0x20)


def block(fields):
    """A header block of (name, value): from the static table where it has them, else literals without indexing."""
    encoded = b""
    for field in fields:
        known = STATIC_TABLE.index(field) + 1 if field in STATIC_TABLE and field[1] else None
        encoded += indexed(known) if known else literal(*field)
    return encoded


class Decoder:
    """What an endpoint's header blocks say, in the order in which they came."""

    def __init__(self, size=4096):
        self.limit = self.size = size
        self.entries = []

    def decode(self, block):
        """The fields of one whole block as (name, value)."""
        self.block, self.at = block, 0
        fields = []
        while self.at < len(block):
            octet = block[self.at]
            if octet & 0x80:
                fields.append(self.entry(self.integer(7)))
            elif octet & 0xE0 == 0x20:
                self.resize(self.integer(5), fields)
            else:
                prefix = 6 if octet & 0x40 else 4
                index = self.integer(prefix)
                name = self.entry(index)[0] if index else self.string()
                fields.append((name, self.string()))
                if octet & 0x40:
                    self.insert(fields[-1])
        return fields

    def resize(self, size, fields):
        if size > self.limit or fields:
            raise DecodingError("a table size update that is too large, or not at the block's beginning")
        self.size = size
        self.evict()

    def insert(self, field):
        self.entries.insert(0, field)
        self.evict()

    def evict(self):
        while self.entries and sum(len(name) + len(value) + 32 for name, value in self.entries) > self.size:
            self.entries.pop()

    def entry(self, index):
        if 1 <= index <= len(STATIC_TABLE):
            return STATIC_TABLE[index - 1]
        if 0 < index <= len(STATIC_TABLE) + len(self.entries):
            return self.entries[index - len(STATIC_TABLE) - 1]
        raise DecodingError(f"there is no entry {index}")

    def octet(self):
        if self.at >= len(self.block):
            raise DecodingError("the block ends within a field")
        self.at += 1
        return self.block[self.at - 1]

    def integer(self, prefix_bits):
        limit = (1 << prefix_bits) - 1
        value, shift = self.octet() & limit, 0
        if value < limit:
            return value
        while shift < 32:
            octet = self.octet()
            value += (octet & 127) << shift
            shift += 7
            if octet < 128:
                return value
        raise DecodingError("an integer without end")

    def string(self):
        coded = self.at < len(self.block) and self.block[self.at] & 0x80
        length = self.integer(7)
        octets = self.block[self.at : self.at + length]
        if len(octets) < length:
            raise DecodingError("the block ends within a string")
        self.at += length
        return (self.symbols(octets) if coded else octets).decode("latin-1")

    @staticmethod
    def symbols(octets):
        text, code, bits = bytearray(), 0, 0
        for octet in octets:
            for shift in range(7, -1, -1):
                code, bits = code << 1 | octet >> shift & 1, bits + 1
                symbol = HUFFMAN_SYMBOLS.get((code, bits))
                if symbol == END_OF_STRING:
                    raise DecodingError("the end of the string is coded in it")
                if symbol is not None:
                    text.append(symbol)
                    code, bits = 0, 0
        if bits > 7 or code != (1 << bits) - 1:
            raise DecodingError("a string's padding is not the beginning of its end")
        return bytes(text)
