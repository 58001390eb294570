import Testing

@testable import Control

struct AcceptEncodingTests {
    @Test(
        arguments: [
            (nil, false), ("", false), ("gzip", true), ("GZip", true), ("x-gzip", true), ("*", true),
            ("deflate, gzip", true), ("deflate,gzip;q=0.5", true), ("gzip ; q=0.001", true), ("gzip;Q=1.000", true),
            ("br;q=1.0,\tgzip;q=0.8 , *;q=0.1", true), (" , gzip,", true), ("identity, gzip", true),
            ("identity;q=0.5, *;q=0.6", true), ("identity;q=0", false), ("br, deflate", false), ("gzipped", false),
            ("gzip;q=0", false), ("gzip;q=0.000", false), ("*;q=0", false), ("gzip;q=0, *", false),
            ("gzip;q=0.5, identity;q=0.6", false), ("identity, *;q=0.5", false),
            // Malformed: nothing is accepted by it.
            ("gzip;q", false), ("gzip;q=", false), ("gzip;q=2", false), ("gzip;q=1.001", false), ("gzip;q=.5", false),
            ("gzip;q=0.5000", false), ("gzip;q=-1", false), ("gzip;q=0x1", false), ("gzip;q=1e3", false),
            ("gzip;level=9", false), ("gzip;q=1;q=1", false), (";q=1", false), ("gzip;q = 1", false),
            ("gzip;q=1.é", false),
        ] as [(String?, Bool)])
    func `gzip is for those who accept it, by RFC 9110's weights`(field: String?, isGzip: Bool) {
        #expect(AcceptEncoding(field).prefersGzip == isGzip, "\(field ?? "none")")
    }
}
