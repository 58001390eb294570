import Testing

@testable import Wire

/// A chunked body, decoded in the pieces it comes in.
private struct Decoded: Equatable {
    var data: [UInt8] = []
    var trailers: [String] = []
    /// Bytes behind the body.
    var rest: Int?
    var refusal: Malformed?

    /// Feeds `text` in pieces that end at the given offsets, as a connection would: what was not consumed is given
    /// again with what comes.
    init(_ text: String, cutAt cuts: [Int] = []) {
        let bytes = [UInt8](latin: text)
        var decoder = ChunkedDecoder()
        var kept: [UInt8] = []
        var start = 0
        for cut in cuts + [bytes.count] {
            kept += bytes[start..<cut]
            start = cut
            var offset = 0
            feeding: while true {
                do throws(Malformed) {
                    switch try decoder.next(unsafe kept.span.bytes, from: offset) {
                    case .data(let range, let next):
                        data += kept[range.bounds]
                        offset = next
                    case .trailer(let range, let next):
                        trailers.append(kept.text(range))
                        offset = next
                    case .needMore(let next):
                        kept.removeFirst(next)
                        break feeding
                    case .end(let next):
                        rest = bytes.count - start + kept.count - next
                        return
                    }
                } catch {
                    refusal = error
                    return
                }
            }
        }
    }
}

@Suite("A chunked body")
struct ChunkedDecoderTests {
    @Test(
        "is decoded, and ends where it says",
        arguments: [
            ("0\r\n\r\n", "", 0),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", 0),
            ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /", "hello world", 5),
            ("0005\r\nhello\r\n000\r\n\r\n", "hello", 0),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
            ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0),
            ("5;ext\r\nhello\r\n0;a=b;c=\"d;\\\"e\"\r\n\r\n", "hello", 0),
            ("5 ; ext = v\r\nhello\r\n0\r\n\r\n", "hello", 0),
            ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0),
        ] as [(String, String, Int)])
    func decodes(text: String, data: String, rest: Int) {
        let decoded = Decoded(text)
        #expect(decoded.refusal == nil)
        #expect(String(decoding: decoded.data, as: UTF8.self) == data)
        #expect(decoded.rest == rest)
    }

    @Test(
        "that two readers could take differently is refused",
        arguments: [
            ("\r\n", .chunkSizeInvalid),
            ("x\r\n", .chunkSizeInvalid),
            ("-1\r\n", .chunkSizeInvalid),
            ("+5\r\nhello\r\n", .chunkSizeInvalid),
            ("0x5\r\nhello\r\n", .chunkSizeInvalid),
            (" 5\r\nhello\r\n", .chunkSizeInvalid),
            ("5_0\r\nhello\r\n", .chunkSizeInvalid),
            ("5\nhello\r\n", .bareLineFeed),
            ("5\rhello", .bareCarriageReturn),
            ("5\r\nhello0\r\n\r\n", .chunkEndMissing),
            ("5\r\nhello\n0\r\n\r\n", .chunkEndMissing),
            ("5\r\nhello\r0", .chunkEndMissing),
            ("5\r\nhello!\r\n0\r\n\r\n", .chunkEndMissing),
            ("8000000000000000\r\n", .chunkSizeTooLarge),
            ("10000000000000005\r\n", .chunkSizeTooLarge),
            ("5 \r\nhello\r\n", .chunkExtensionInvalid),
            ("5;\r\nhello\r\n", .chunkExtensionInvalid),
            ("5;a\nhello\r\n", .bareLineFeed),
            ("5;a=\r\n", .chunkExtensionInvalid),
            ("5;a=\"b\nc\"\r\n", .bareLineFeed),
            ("5;a=\"b\u{0}\"\r\n", .chunkExtensionInvalid),
            ("5;a b\r\n", .chunkExtensionInvalid),
            ("0\r\nX\r\n\r\n", .colonMissing),
            ("0\r\nX : y\r\n\r\n", .blankBeforeColon),
            ("0\r\n X: y\r\n\r\n", .lineFolded),
            ("0\r\nX: y\n\r\n", .bareLineFeed),
        ] as [(String, Malformed)])
    func refuses(text: String, reason: Malformed) {
        #expect(Decoded(text).refusal == reason)
    }

    @Test("passes on trailers that nobody acts upon early, and drops the others")
    func keepsTrailers() {
        let text =
            "0\r\nX-Checksum: 1\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: x\r\nX-Other:\r\nTransfer-Encoding: chunked\r\n\r\n"
        let decoded = Decoded(text)
        #expect(decoded.refusal == nil)
        #expect(decoded.trailers == ["X-Checksum: 1\r\n", "X-Other:\r\n"])
    }

    @Test("says the same however it was cut on its way")
    func isIndependentOfCuts() {
        let texts = [
            "5;a=\"b\"\r\nhello\r\n1\r\n!\r\n0\r\nX-T: v\r\nY: z\r\n\r\nnext", "3\r\nabc\r\n0\r\n\r\n", "3\r\nabcd",
            "3 x",
            "2\r\nab\r\n0\r\nX y\r\n\r\n",
        ]
        for text in texts {
            let whole = Decoded(text)
            for first in 0...text.utf8.count {
                #expect(Decoded(text, cutAt: [first]) == whole, "cut at \(first): \(text)")
            }
            #expect(Decoded(text, cutAt: Array(0..<text.utf8.count)) == whole, "byte by byte: \(text)")
        }
    }

    @Test("has limits on what is not data")
    func keepsLimits() {
        let extensions = Int(ChunkedDecoder.extensionBytesLimit)
        #expect(Decoded("1;" + String(repeating: "x", count: extensions) + "\r\n").refusal == .chunkExtensionsTooLong)
        #expect(Decoded(String(repeating: "0", count: extensions + 2) + "1\r\n").refusal == .chunkExtensionsTooLong)
        // A great many small chunks, each with its extension: counted together.
        let small = String(repeating: "1;xxxxxxxx\r\ny\r\n", count: extensions / 8)
        #expect(Decoded(small).refusal == .chunkExtensionsTooLong)
        let trailers = (0...ChunkedDecoder.trailerCountLimit).map { "x\($0): y\r\n" }.joined()
        #expect(Decoded("0\r\n" + trailers + "\r\n").refusal == .trailersTooLarge)
        let long = String(repeating: "x", count: ChunkedDecoder.trailerBytesLimit)
        #expect(Decoded("0\r\nx: " + long).refusal == .trailersTooLarge)
        #expect(Decoded("0\r\nx: " + long + "\r\n\r\n").refusal == .trailersTooLarge)
    }
}
