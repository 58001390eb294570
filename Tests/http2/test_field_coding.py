"""The examples of RFC 7541, Appendix C, and what is not to be decoded."""

import unittest

import field_coding

REQUESTS = [
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com"), ("cache-control", "no-cache")],
    [(":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"), ("custom-key", "custom-value")],
]
PLAIN = [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
]
CODED = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
]


class Compression(unittest.TestCase):
    def test_the_examples_are_decoded(self):
        for blocks in (PLAIN, CODED):
            decoder = field_coding.Decoder()
            for block, fields in zip(blocks, REQUESTS):
                self.assertEqual(decoder.decode(bytes.fromhex(block)), fields)

    def test_integers_are_coded_as_the_examples_are(self):
        for value, prefix, octets in [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a")]:
            self.assertEqual(field_coding.integer(value, prefix).hex(), octets)

    def test_every_octet_survives_huffman_coding(self):
        everything = bytes(range(256))
        self.assertEqual(field_coding.Decoder.symbols(field_coding.huffman(everything)), everything)

    def test_what_a_block_says_is_what_was_to_be_said(self):
        fields = REQUESTS[2] + [("x-long", "x" * 5000)]
        self.assertEqual(field_coding.Decoder().decode(field_coding.block(fields)), fields)

    def test_broken_blocks_are_refused(self):
        ended = field_coding.huffman([field_coding.END_OF_STRING])
        broken = {
            "index 0": b"\x80",
            "an index beyond the tables": field_coding.indexed(62),
            "a block that ends within a string": b"\x00\x05ab",
            "an integer without end": b"\x7f" + b"\xff" * 9,
            "a late table size update": field_coding.indexed(2) + field_coding.table_size(0),
            "a table that is too large": field_coding.table_size(4097),
            "the end of a string in it": b"\x00\x01a" + field_coding.integer(len(ended), 7, 0x80) + ended,
            "padding with zeros": b"\x00\x01a\x83\x49\x50\x90",
        }
        for what, block in broken.items():
            with self.subTest(what), self.assertRaises(field_coding.DecodingError):
                field_coding.Decoder().decode(block)


if __name__ == "__main__":
    unittest.main()
