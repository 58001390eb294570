/// What scripts are made of.
enum Words {
    static let numbers = [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 400, 512, 1_000, 1_024, 2_000,
        4_000,
        4_096, 8_192, 9_999, 10_000, 11_000, 16_383, 16_384, 16_385, 30_000, 32_768, 61_000, 65_535, 65_536, 100_000,
        262_144,
        1_048_576, 2_147_483_645, 2_147_483_646, 2_147_483_647, 2_147_483_648, 4_294_967_295,
    ]

    /// Of HTTP/2: at both ends of their range, even ones, and the connection's own.
    static let streams = [0, 1, 2, 3, 5, 7, 9, 11, 99, 2_147_483_643, 2_147_483_645, 2_147_483_646, 2_147_483_647]

    /// First lines.
    static let scenes = [
        "table 1", "table 2", "table 3", "table 4", "table 5", "clean tls", "ids 2147483643", "ids 2147483647",
    ]

    /// What is said very often; `#` stands for a number.
    static let floods = [
        #"say e# "HTTP/1.1 103 E\r\n\r\n""#, #"fields e# 4 1 ":status: 103""#, #"say e# "1\r\nx\r\n""#,
        #"say c# "GET /own HTTP/1.1\r\nhost: a\r\n\r\n""#, #"say c# "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy""#,
        #"say c# "1\r\nx\r\n""#, #"frame c# 0 0 1 "x""#, #"frame c# 0 0 1 """#, #"frame e# 0 0 1 "x""#,
        #"record c# 22 "\x18\0\0\x01\0""#, #"frame c# 6 0 0 "12345678""#,
    ]

    /// Of TLS 1.3, by type (RFC 8446, 4 and 5.1): an update of keys, a ticket, a Finished, alerts, a change of ciphers, data.
    static let records: [(type: Int, bytes: [UInt8])] = [
        (22, [24, 0, 0, 1, 0]), (22, [24, 0, 0, 1, 1]), (22, [4, 0, 0, 0]), (22, [20, 0, 0, 32]), (21, [1, 0]),
        (21, [2, 40]),
        (20, [1]), (23, []), (23, Array("GET /own HTTP/1.1\r\nhost: a\r\n\r\n".utf8)),
    ]

    static let lines = [
        "probe http", "probe https", "probe grpc", "probe grpcs", "probe tcp told", "probe strict",
        #"serve http "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi""#, #"frame e0 0 0 1 "\0\0\0\0\x02\x08\x01""#,
        "table 1", "table 2", "table 3", "table 4", "table 5", "clean tls",
        "open c0 web", "open c1 web", "open c0 large", "open c0 tls", "open c1 tls h2", "open c0 tls bare",
        "open c0 proxied",
        "open c0 tcp", "open c0 stcp", "open c0 pass", "open c0 ptcp", "open c0 inner",
        #"say c0 "GET /one HTTP/1.1\r\nhost: a\r\n\r\n""#, #"say c0 "GET /two HTTP/1.1\r\nhost: a\r\n\r\n""#,
        #"say c0 "GET /sone HTTP/1.1\r\nhost: a\r\n\r\n""#, #"say c0 "GET /stwo HTTP/1.1\r\nhost: a\r\n\r\n""#,
        #"say c0 "GET /own HTTP/1.1\r\nhost: a\r\n\r\n""#, #"say c0 "GET /narrow HTTP/1.1\r\nhost: a\r\n\r\n""#,
        #"say c0 "GET /told HTTP/1.1\r\nhost: a\r\n\r\n""#, #"say c0 "GET /both HTTP/1.1\r\nhost: a\r\n\r\n""#,
        #"say c0 "POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello""#,
        #"say c0 "POST /one HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n""#,
        #"say c0 "POST /two HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n""#,
        #"say c0 "5\r\nhello\r\n""#, #"say c0 "0\r\n\r\n""#, #"say c0 "0\r\nx: y\r\n\r\n""#,
        #"say c0 "GET /one HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n""#,
        #"say c0 "hello""#, #"say c0 "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n""#,
        #"say c0 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n""#, "frame c0 4 0 0",
        #"fields c0 5 1 ":method: GET\n:scheme: http\n:path: /one\n:authority: a""#,
        #"fields c0 5 3 ":method: GET\n:scheme: http\n:path: /two\n:authority: a""#,
        #"fields c0 4 1 ":method: POST\n:scheme: http\n:path: /one\n:authority: a""#,
        #"fields c0 4 3 ":method: POST\n:scheme: http\n:path: /two\n:authority: a\ncontent-type: application/grpc\nte: trailers""#,
        #"fields c0 4 1 ":method: CONNECT\n:protocol: websocket\n:scheme: http\n:path: /one\n:authority: a""#,
        #"fields c0 5 1 "x: y""#, #"frame c0 0 0 1 "hello""#, "frame c0 0 1 1", #"frame c0 3 0 1 "\0\0\0\x08""#,
        #"frame c0 8 0 0 "\0\x01\0\0""#, #"frame c0 8 0 1 "\0\x01\0\0""#, #"frame c0 6 0 0 "12345678""#,
        #"frame c0 7 0 0 "\0\0\0\0\0\0\0\0""#, #"frame c0 4 0 0 "\0\x04\0\0\0\0""#, #"frame c0 9 4 1 """#,
        #"frame c0 2 0 1 "\0\0\0\0\x10""#,
        #"serve one "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi""#, #"serve two "hello""#, #"serve stwo "hello""#,
        #"serve sone "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi""#,
        #"serve narrow "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi""#,
        #"serve one "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n""#,
        #"serve one "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n""#,
        #"say e0 "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi""#,
        #"say e0 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n""#, #"say e0 "5\r\nhello\r\n""#,
        #"say e0 "1\r\nx\r\n" 1000"#, #"say e0 "0\r\n\r\n""#, #"say e0 "HTTP/1.1 200 OK\r\n\r\n""#,
        #"say e0 "HTTP/1.1 103 Early\r\nlink: a\r\n\r\n""#, #"say e0 "HTTP/1.1 100 Continue\r\n\r\n""#,
        #"say e0 "HTTP/1.1 101 Now\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n""#,
        #"say e0 "HTTP/1.1 204 None\r\n\r\n""#, #"say e0 "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n""#,
        #"say e0 "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n""#, #"say e0 "hello""#,
        "frame e0 4 0 0", #"fields e0 4 1 ":status: 200""#, #"fields e0 5 1 ":status: 200""#,
        #"fields e0 4 1 ":status: 103""#, #"frame e0 0 0 1 "hello""#, "frame e0 0 1 1",
        #"fields e0 5 1 "grpc-status: 14""#, #"frame e0 3 0 1 "\0\0\0\x07""#, #"frame e0 3 0 1 "\0\0\0\0""#,
        #"frame e0 7 0 0 "\0\0\0\0\0\0\0\0""#, #"frame e0 4 0 0 "\0\x03\0\0\0\x01""#, #"frame e0 8 0 0 "\0\x01\0\0""#,
        #"record c0 22 "\x18\0\0\x01\0""#, #"record c0 21 "\x01\0""#, #"record e0 22 "\x18\0\0\x01\0""#,
        #"record e0 23 """#, #"raw c0 "hello""#, #"raw e0 "hello""#,
        #"say c0 "PROXY TCP4 10.2.0.1 10.3.0.1 1000 80\r\n""#,
        #"say c0 "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x02\0\x01\x0a\x03\0\x01\x03\xe8\0P""#,
        "end c0", "end e0", "end e0 cut", "leave c0", "leave e0", "reset c0", "reset e0", "stall c0", "stall c0 100",
        "stall e0", "take c0", "take c0 1000", "take e0", "pace c0 1", "pace c0 100", "pace e0 1", "pace e0 0",
        "connect now 4", "connect refused 1", "connect refused 8", "connect refusednow 2", "connect unreachable 1",
        "connect never 1", "ids 2147483647", "publish 0", "publish 1", "publish 2", "publish 3", "publish 4",
        "publish 5",
        "split one 0", "split one 10000", "split tunnel 0", "split tunnel 10000", "split one 0 10000",
        "share one 0 0 0",
        "warm one 10000 0", "warm two 10000 1", "drain", "wait 10", "wait 150", "wait 1100", "wait 5500", "wait 11000",
        "wait 31000", "wait 61000", "fail socket 0 1", "fail accept 0 1", "fail connect 4 1", "fail watch 3 1", "clean",
    ]

    static let bytes: [[UInt8]] =
        [
            "\r\n", "\r\n\r\n", "host: a\r\n", "content-length: 5\r\n", "content-length: 0\r\n",
            "transfer-encoding: chunked\r\n",
            "connection: close\r\n", "connection: keep-alive\r\n", "expect: 100-continue\r\n", "upgrade: websocket\r\n",
            "content-type: application/grpc\r\n", "te: trailers\r\n", "grpc-timeout: 1S\r\n", "max-forwards: 0\r\n",
            "HTTP/1.0", "HTTP/1.1", "HEAD ", "POST ", "CONNECT ", "OPTIONS * ", "GET /one HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET /own HTTP/1.1\r\nhost: a\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n", "1\r\nx\r\n", "ffffffffffffffff\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", ":status: 200\n", ":status: 103\n",
            "content-length: 5\n",
            "grpc-status: 0\n", ":path: /\n", "\n", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ].map { Array($0.utf8) } + [
            [0, 0, 0, 0], [0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0x80, 0, 0, 0], [0], [0xff],
            [0, 3, 0, 0, 0, 0], [0, 4, 0, 0, 0, 0], [0, 4, 0x7f, 0xff, 0xff, 0xff], [0, 1, 0, 0, 0, 0],
            [0, 5, 0, 0xff, 0xff, 0xff],
            [24, 0, 0, 1, 0], [24, 0, 0, 1, 1], [24, 0, 0, 1], [22, 3, 1, 0, 5], [21, 3, 3, 0, 2, 1, 0],
        ]
}
