import Testing

@testable import RouteTable

@Suite("A numeric address")
struct IPAddressTests {
    @Test(
        "is read in every form and printed in one",
        arguments: [
            ("10.0.1.20", "10.0.1.20"),
            ("255.255.255.255", "255.255.255.255"),
            ("::", "::"),
            ("::1", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("2001:DB8::0:1", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("fe80::", "fe80::"),
            ("::ffff:10.0.0.1", "::ffff:a00:1"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ])
    func readAndPrinted(text: String, normal: String) {
        let address = IPAddress(text)
        #expect(address.map { "\($0)" } == normal)
        #expect(IPAddress(normal) == address)
    }

    @Test(
        "is refused when it is none",
        arguments: [
            "", ".", "10.0.1", "10.0.1.", "10.0.1.256", "10.0.01.1", "10.0.1.1.1", "a.b.c.d", " 10.0.0.1", ":", ":::",
            "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1%eth0", "[::1]",
            "1:", ":1", "::10.0.0", "10.0.0.1::", "1:2:3:4:5:6:7:10.0.0.1",
        ])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
    }
}
