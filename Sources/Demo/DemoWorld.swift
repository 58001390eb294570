package import Reactor
internal import Synchronization

/// All regions of the demo on one thread of their own.
package final class DemoWorld: Sendable {
    /// One endpoint to play.
    package struct Endpoint: Sendable {
        package let region: String
        package let service: String
        package let address: SocketAddress

        package init(region: String, service: String, address: SocketAddress) {
            self.region = region
            self.service = service
            self.address = address
        }
    }

    private enum Message: Sendable {
        case set(region: String, DemoMode)
    }

    /// The regions' names, in the order in which they were given.
    package let regions: [String]
    private let mailbox: Mailbox<Message>
    private let modes: Mutex<[String: DemoMode]>

    /// Starts listening at every address; throws if one is taken.
    package init(_ endpoints: [Endpoint]) throws(SystemError) {
        let names = endpoints.reduce(into: [String]()) { names, endpoint in
            if !names.contains(endpoint.region) { names.append(endpoint.region) }
        }
        regions = names
        modes = Mutex([:])
        let mailbox = try Mailbox<Message>()
        self.mailbox = mailbox
        let outcome = Outcome()
        try Thread.start(name: "demo regions") {
            do throws(SystemError) {
                let loop = try EventLoop()
                var regions: [String: DemoRegion] = [:]
                for name in names {
                    let mine = endpoints.filter { $0.region == name }.map { ($0.service, $0.address) }
                    regions[name] = try DemoRegion(name: name, loop: loop, addresses: mine)
                }
                try mailbox.attach(to: loop) { message in
                    if case .set(let region, let mode) = message { regions[region]?.set(mode) }
                }
                outcome.settle(nil)
                loop.run()
            } catch {
                outcome.settle(error)
            }
        }
        if let error = outcome.wait() { throw error }
    }

    package func set(_ region: String, _ mode: DemoMode) {
        modes.withLock { $0[region] = mode }
        mailbox.post(.set(region: region, mode))
    }

    package func mode(of region: String) -> DemoMode {
        modes.withLock { $0[region] ?? .healthy }
    }
}

/// Waits for a thread to say how its start went.
private final class Outcome: Sendable {
    private let state = Mutex<SystemError??>(.none)

    func settle(_ error: SystemError?) {
        state.withLock { $0 = .some(error) }
    }

    func wait() -> SystemError? {
        while true {
            if let settled = state.withLock({ $0 }) { return settled }
            Thread.pause(milliseconds: 1)
        }
    }
}
