import Backends
import Foundation
import Reactor
import RouteTable
import Synchronization
import Testing

@testable import Names

struct ResolverTests {
    private static let four: [UInt8] = [127, 0, 0, 7]
    private static let six: [UInt8] = Array(repeating: 0, count: 15) + [1]

    private func ip(_ texts: String...) -> [IPAddress] { texts.compactMap { IPAddress($0) } }

    private func settings(
        _ servers: [NameServer], timeout: Duration = .seconds(5), attempts: Int = 2,
        change: (inout ResolverSettings) -> Void = { _ in }
    ) -> ResolverSettings {
        var settings = ResolverSettings(servers: servers.map(\.address))
        settings.timeout = timeout
        settings.attempts = attempts
        change(&settings)
        return settings
    }

    private func resolver(
        _ settings: ResolverSettings, hosts: String = "/dev/null", atOnce: Int = 32
    ) throws -> Resolver {
        try Resolver(hosts: hosts, settings: settings, atOnce: atOnce)
    }

    @Test func `both kinds of addresses are asked for, and what restricts a service to one is obeyed`() async throws {
        let server = try NameServer { .addresses([$0.isFour ? Self.four : Self.six]) }
        let resolver = try resolver(settings([server]))
        let both = try await resolver.resolve("App.example").get()
        #expect(both.ipv4 == ip("127.0.0.7") && both.ipv6 == ip("::1"))
        #expect(both.timeToLive == .seconds(30))
        #expect(Set(server.asked.map(\.kind)) == [1, 28])
        #expect(server.asked.allSatisfy { $0.name == "app.example" })
        let one = try await resolver.resolve("app.example", .ipv4).get()
        #expect(one.ipv4 == ip("127.0.0.7") && one.ipv6 == nil)
    }

    /// Names that begin with `slow` are answered once it is open.
    private final class Gate: Sendable {
        private let isOpen = Atomic<Bool>(false)

        func open() { isOpen.store(true, ordering: .relaxed) }

        func server() throws -> NameServer {
            try NameServer { question in
                while question.name.hasPrefix("slow") && !self.isOpen.load(ordering: .relaxed) { usleep(2_000) }
                return .addresses([ResolverTests.four])
            }
        }
    }

    @Test func `names that are not answered delay no other`() async throws {
        let gate = Gate()
        let server = try gate.server()
        let resolver = try resolver(settings([server], timeout: .seconds(5)))
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<40 { group.addTask { _ = await resolver.resolve("slow\(number)", .ipv4, isSlow: true) } }
            while resolver.lookups < 40 { await Task.yield() }
            for number in 0..<20 {
                #expect(await (try? resolver.resolve("good\(number)", .ipv4).get()) != nil)
            }
            #expect(resolver.lookups == 40, "none of the others is over")
            gate.open()
        }
        #expect(resolver.lookups == 0)
    }

    @Test func `a name waits for no other, even where all others are asked for the first time and are not answered`()
        async throws
    {
        let gate = Gate()
        let server = try gate.server()
        let resolver = try resolver(
            settings([server], timeout: .seconds(5)) { $0.patience = .milliseconds(50) }, atOnce: 4)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<40 { group.addTask { _ = await resolver.resolve("slow\(number)", .ipv4) } }
            while resolver.lookups < 40 { await Task.yield() }
            let began = ContinuousClock.now
            #expect(await (try? resolver.resolve("good", .ipv4).get()) != nil)
            #expect(ContinuousClock.now - began < .seconds(20), "ten rounds of 50 ms, not of ten seconds")
            gate.open()
        }
    }

    @Test func `bytes that are no answer to the question are passed over`() async throws {
        let server = try NameServer { _ in .behindForgeries([Self.four]) }
        #expect(try await resolver(settings([server])).resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test(arguments: [true, false])
    func `garbage is as good as no answer, and another server is asked`(isOverTCP: Bool) async throws {
        let garbage = try NameServer {
            if isOverTCP && !$0.isOverTCP { return .truncated }
            return .bytes((0..<100).map { _ in UInt8.random(in: 0...255) })
        }
        let good = try NameServer { _ in .addresses([Self.four]) }
        let resolver = try resolver(settings([garbage, good], timeout: .milliseconds(500)))
        #expect(try await resolver.resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test func `a server that only refers to others is passed over at once`() async throws {
        let other = try NameServer { _ in .referral }
        let good = try NameServer { _ in .addresses([Self.four]) }
        let long = settings([other, good], timeout: .seconds(5))
        #expect(try await resolver(long).resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test func `an alias whose addresses are not in the answer is followed, and one without end is not`() async throws {
        let next = ["a.example": "b.example", "b.example": "c.example", "loop.example": "loop2.example"]
        let server = try NameServer {
            if $0.name.hasPrefix("loop") { return .alias($0.name == "loop.example" ? "loop2.example" : "loop.example") }
            return next[$0.name].map { .alias($0) } ?? .addresses([Self.four])
        }
        let resolver = try resolver(settings([server]))
        let answer = try await resolver.resolve("a.example", .ipv4).get()
        #expect(answer.ipv4 == ip("127.0.0.7"))
        #expect(answer.timeToLive == .seconds(9), "as long as the alias is good for")
        #expect(await resolver.resolve("loop.example", .ipv4) == .failure(.notFound))
        #expect(server.asked.count == 3 + 17)
    }

    @Test func `resolv conf is read again when it changes`() async throws {
        let servers = [
            try NameServer { _ in .addresses([Self.four]) }, try NameServer { _ in .addresses([[127, 0, 0, 8]]) },
        ]
        let path = NSTemporaryDirectory() + "spillway-resolv-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(_ server: NameServer) throws {
            try "nameserver [127.0.0.1]:\(server.port)\n".write(toFile: path, atomically: true, encoding: .utf8)
        }
        try write(servers[0])
        let resolver = try Resolver(hosts: "/dev/null", resolvConf: path)
        #expect(try await resolver.resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
        try write(servers[1])
        #expect(try await resolver.resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.8"))
    }

    @Test func `where questions with an extension are dropped, the second one has none`() async throws {
        let server = try NameServer { $0.isExtended ? .silence : .addresses([Self.four]) }
        let resolver = try resolver(settings([server], timeout: .milliseconds(100)))
        #expect(try await resolver.resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test func `servers are asked in turn, and by TCP alone, where resolv conf says so`() async throws {
        let servers = [
            try NameServer { _ in .addresses([Self.four]) }, try NameServer { _ in .addresses([Self.four]) },
        ]
        let resolver = try resolver(
            settings(servers) {
                $0.rotates = true
                $0.usesTCP = true
            })
        for number in 0..<4 { _ = try await resolver.resolve("a\(number).example", .ipv4).get() }
        #expect(servers.map(\.asked.count) == [2, 2])
        let isByTCP = servers.flatMap(\.asked).map(\.isOverTCP)
        #expect(!isByTCP.contains(false))
    }

    @Test func `a server that is silent is passed over, and asked last from then on`() async throws {
        let silent = try NameServer { _ in .silence }
        let good = try NameServer { _ in .addresses([Self.four]) }
        let resolver = try resolver(
            settings([silent, good], timeout: .seconds(3)) { $0.avoidance = .seconds(3_600) })
        #expect(try await resolver.resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
        for name in ["b", "c", "d"] { _ = try await resolver.resolve("\(name).example", .ipv4).get() }
        #expect(silent.asked.count == 1)
        #expect(good.asked.count == 4)
    }

    @Test func `when all are silent a name fails after its time, and no sooner than each was asked twice`() async throws
    {
        let servers = [try NameServer { _ in .silence }, try NameServer { _ in .silence }]
        let resolver = try resolver(settings(servers, timeout: .milliseconds(100)))
        #expect(await resolver.resolve("a.example", .ipv4) == .failure(.timedOut))
        #expect(servers.map(\.asked.count) == [2, 2])
    }

    @Test func `who is slow is heard although others have been asked meanwhile`() async throws {
        let slow = try NameServer { _ in .after(milliseconds: 250, [Self.four]) }
        let silent = try NameServer { _ in .silence }
        let resolver = try resolver(settings([slow, silent], timeout: .milliseconds(200)))
        #expect(try await resolver.resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test func `an answer that does not fit is asked for by TCP, many addresses and all`() async throws {
        let many = (0..<700).map { [10, 1, UInt8($0 >> 8), UInt8($0 & 0xff)] as [UInt8] }
        let server = try NameServer { $0.isOverTCP ? .addresses(many) : .truncated }
        let resolver = try resolver(settings([server]))
        let answer = try await resolver.resolve("many.example", .ipv4).get()
        #expect(answer.ipv4?.count == 700)
        #expect(answer.ipv4?.first == IPAddress("10.1.0.0") && answer.ipv4?.last == IPAddress("10.1.2.187"))
    }

    @Test func `a server that is silent by TCP is given up like any other`() async throws {
        let silent = try NameServer { $0.isOverTCP ? .silence : .truncated }
        let good = try NameServer { _ in .addresses([Self.four]) }
        #expect(
            try await resolver(settings([silent, good], timeout: .milliseconds(500))).resolve("a.example", .ipv4).get()
                .ipv4 == ip("127.0.0.7"))
    }

    @Test func `one kind that is not answered does not keep the other`() async throws {
        let server = try NameServer { $0.isFour ? .addresses([Self.four]) : .silence }
        let answer = try await resolver(settings([server], timeout: .milliseconds(500))).resolve("a.example").get()
        #expect(answer.ipv4 == ip("127.0.0.7"))
        #expect(answer.ipv6 == nil, "it is not known that there is none")
    }

    @Test func `an address of zeros is none, as servers that block a name have it`() async throws {
        let blocking = try NameServer { .addresses([[UInt8](repeating: 0, count: $0.isFour ? 4 : 16)]) }
        #expect(await (try resolver(settings([blocking]))).resolve("a.example") == .failure(.notFound))
        let half = try NameServer { _ in .addresses([[0, 0, 0, 0], Self.four]) }
        #expect(try await resolver(settings([half])).resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    /// Link-local without its interface, groups, broadcast.
    @Test(arguments: [
        [0xfe, 0x80] + [UInt8](repeating: 0, count: 13) + [1], [0xfe, 0xbf] + [UInt8](repeating: 0xff, count: 14),
        [0xff, 0x02] + [UInt8](repeating: 0, count: 13) + [1], [224, 0, 0, 1], [239, 255, 255, 255],
        [255, 255, 255, 255],
    ])
    func `an address that takes no connection is none`(address: [UInt8]) async throws {
        let alone = try NameServer { .addresses($0.isFour == (address.count == 4) ? [address] : []) }
        #expect(await (try resolver(settings([alone]))).resolve("a.example") == .failure(.notFound))
        let beside = try NameServer {
            .addresses(($0.isFour ? [Self.four] : []) + ($0.isFour == (address.count == 4) ? [address] : []))
        }
        let answer = try await resolver(settings([beside])).resolve("a.example").get()
        #expect(answer.ipv4 == ip("127.0.0.7") && answer.ipv6 == [])
    }

    @Test func `no address of a kind is an answer`() async throws {
        let server = try NameServer { $0.isFour ? .addresses([Self.four]) : .addresses([]) }
        #expect(try await resolver(settings([server])).resolve("a.example").get().ipv6 == [])
        let none = try NameServer { _ in .addresses([]) }
        #expect(await (try resolver(settings([none]))).resolve("a.example") == .failure(.notFound))
    }

    @Test func `a server that fails is passed over at once`() async throws {
        let failing = try NameServer { _ in .code(2) }
        let good = try NameServer { _ in .addresses([Self.four]) }
        let long = settings([failing, good], timeout: .seconds(5))
        #expect(try await resolver(long).resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
        #expect(await (try resolver(settings([failing]))).resolve("a.example", .ipv4) == .failure(.refused(2)))
    }

    @Test func `a port where nobody listens is passed over at once`() async throws {
        let good = try NameServer { _ in .addresses([Self.four]) }
        let gone = try NameServer { _ in .silence }.address
        var long = settings([good], timeout: .seconds(5))
        long.servers.insert(gone, at: 0)
        #expect(try await resolver(long).resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test func `an old server that does not know extensions is asked without`() async throws {
        let old = try NameServer { $0.isExtended ? .code(1) : .addresses([Self.four]) }
        #expect(try await resolver(settings([old])).resolve("a.example", .ipv4).get().ipv4 == ip("127.0.0.7"))
    }

    @Test func `a short name is looked for in the domains to be searched, a long one first as it is`() async throws {
        let server = try NameServer {
            ["db.ns.svc.test", "db.svc.test", "x.y"].contains($0.name) ? .addresses([Self.four]) : .code(3)
        }
        let resolver = try resolver(
            settings([server]) {
                $0.search = ["ns.svc.test", "svc.test"]
                $0.dots = 2
            })
        _ = try await resolver.resolve("db", .ipv4).get()
        _ = try await resolver.resolve("x.y", .ipv4).get()
        _ = try await resolver.resolve("x.y.", .ipv4).get()
        #expect(await resolver.resolve("a.b.c", .ipv4) == .failure(.notFound))
        #expect(
            server.asked.map(\.name) == [
                "db.ns.svc.test", "x.y.ns.svc.test", "x.y.svc.test", "x.y", "x.y", "a.b.c", "a.b.c.ns.svc.test",
                "a.b.c.svc.test",
            ])
    }

    @Test func `a domain that is not answered for hides no other host`() async throws {
        let server = try NameServer { $0.name == "db" ? .addresses([Self.four]) : .silence }
        let resolver = try resolver(settings([server], timeout: .milliseconds(50)) { $0.search = ["svc.test"] })
        #expect(await resolver.resolve("db", .ipv4) == .failure(.timedOut))
    }

    @Test func `the hosts file comes first, and is read again when it changes`() async throws {
        let server = try NameServer { _ in .code(3) }
        let path = NSTemporaryDirectory() + "spillway-hosts-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let text = "# ours\n127.0.0.9 db.internal\tDB  # and more\n127.0.0.8 db\n::1 six\n"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        let resolver = try resolver(settings([server]), hosts: path)
        #expect(try await resolver.resolve("db").get().ipv4 == ip("127.0.0.8", "127.0.0.9"))
        #expect(try await resolver.resolve("Db.internal").get().ipv4 == ip("127.0.0.9"))
        #expect(try await resolver.resolve("six").get().ipv6 == ip("::1"))
        #expect(await resolver.resolve("six", .ipv4) == .failure(.notFound))
        try "127.0.0.10 db\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await resolver.resolve("db").get().ipv4 == ip("127.0.0.10"))
        #expect(await resolver.resolve("db.internal", .ipv4) == .failure(.notFound))
    }

    @Test func `localhost is this machine, whatever the hosts file says`() async throws {
        let resolver = try resolver(settings([]))
        for name in ["localhost", "a.localhost", "localhost."] {
            let answer = try await resolver.resolve(name).get()
            #expect(answer.ipv4 == ip("127.0.0.1") && answer.ipv6 == ip("::1"))
        }
    }

    @Test func `what is no name fails at once, and so does any where there is no server`() async throws {
        let resolver = try resolver(settings([]))
        #expect(await resolver.resolve("a..b") == .failure(.notAName))
        #expect(await resolver.resolve("a.example") == .failure(.timedOut))
    }

    /// Documentation addresses (RFC 3849): no host has a route to them but by a default route for IPv6.
    @Test func `addresses that this host has no route to are told apart`() async throws {
        let far: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [1]
        let server = try NameServer { $0.isFour ? .addresses([Self.four]) : .addresses([far]) }
        let answer = try await resolver(settings([server])).resolve("a.example").get()
        let hasRoute = Socket.hasRoute(to: SocketAddress(ip: "2001:db8::1", port: 9)!)
        #expect(answer.unreachable == (hasRoute ? [] : Set(ip("2001:db8::1"))))
        #expect(Socket.hasRoute(to: SocketAddress(ip: "127.0.0.1", port: 9)!))
    }
}

struct ResolverSettingsTests {
    @Test func `resolv conf is read as its page says`() {
        let text = """
            # comment
            ; another
            domain old.test
            search ns.svc.test svc.test. \t test
            nameserver 10.0.0.53
            nameserver [127.0.0.1]:5353
            nameserver fe80::1
            nameserver nonsense
            options ndots:5 timeout:1 attempts:3 rotate edns0 use-vc ndots: timeout:x
            sortlist 10.0.0.0
            """
        let settings = ResolverSettings(resolvConf: text, domain: "own.test")
        #expect(settings.servers.map { "\($0)" } == ["10.0.0.53:53", "127.0.0.1:5353", "[fe80::1]:53"])
        #expect(settings.search == ["ns.svc.test", "svc.test", "test"])
        #expect(settings.rotates && settings.usesTCP)
        #expect(settings.dots == 5 && settings.attempts == 3 && settings.timeout == .seconds(1))
    }

    @Test func `where it says nothing, this machine is asked, and its own domain searched`() {
        let settings = ResolverSettings(resolvConf: "", domain: "own.test")
        #expect(settings.servers.map { "\($0)" } == ["127.0.0.1:53"])
        #expect(settings.search == ["own.test"])
        #expect(settings.dots == 1 && settings.attempts == 2 && settings.timeout == .seconds(2))
    }

    @Test func `what would take too long, or too much, is bounded`() {
        let many = (1...20).map { "nameserver 10.0.0.\($0)\n" }.joined()
        let settings = ResolverSettings(
            resolvConf: many + "options timeout:30 attempts:99 ndots:99\n"
                + "search \((1...40).map { "d\($0)" }.joined(separator: " "))\n", domain: nil)
        #expect(settings.servers.count == 8 && settings.search.count == 16)
        #expect(settings.timeout == .seconds(5) && settings.attempts == 5 && settings.dots == 15)
    }
}
