package import Failover

/// Something that happens to the world at a time.
package struct Happening: Sendable, Equatable {
    package var at: Duration
    package var what: What
    /// After this it is undone. Absent: it stays.
    package var length: Duration?

    package init(at: Duration, _ what: What, for length: Duration? = nil) {
        self.at = at
        self.what = what
        self.length = length
    }

    package enum What: Sendable, Equatable {
        case fault(Scope, Fault)
        /// All that ails anything within this ends.
        case heal(Scope)
        /// A fault comes and goes, each time for so long, until it is undone.
        case flap(Scope, Fault, every: Duration)
        /// Health checks say this whatever requests meet.
        case probesLie(Scope, ProbeLie)
        /// A dependency is lost in a region; its users follow, each in its time.
        case dependencyFault(Int, region: Int, Fault)
        /// True capacity goes to a part of what it was, in ten-thousandths, within a time. `from`: absent, from where it is.
        case capacity(Scope, from: Int?, to: Int, over: Duration)
        /// The prober stands still, and sees nothing in time.
        case proberStalls
        /// The prober is overloaded: it looks at everything so much later than it should.
        case proberLags(by: Duration)
        /// The router as a whole stands still.
        case routerStalls
        /// Nothing of ours reaches anything.
        case ownNetworkIsCut
        /// The router ends, and starts again from what it has kept when this is undone; at once, if it says no length.
        case routerRestarts
        /// A name of an endpoint stands for something else. Empty: the answer is empty.
        case resolves(String, [String])
        /// Clients ask so much of a service, reached in a straight line within a time.
        case load(service: Int, perSecond: Int, over: Duration)
        case order(Order, isForced: Bool)
        /// Asks what the loss of a region would do.
        case imagine(losing: String)
    }

    /// What it happens to: everything that fits.
    package struct Scope: Sendable, Equatable {
        package var region: Int?
        package var service: Int?
        /// With its port, as in `10.0.0.1:80`; of a name, one of those it stands for.
        package var address: String?

        package init(region: Int? = nil, service: Int? = nil, address: String? = nil) {
            self.region = region
            self.service = service
            self.address = address
        }

        func contains(_ other: Scope) -> Bool {
            (region == nil || region == other.region) && (service == nil || service == other.service)
                && (address == nil || address == other.address)
        }
    }
}

/// How a backend fails.
package enum Fault: Sendable, Equatable {
    /// Connections are refused; those under way break.
    case refuses
    /// It takes requests and does not answer; it will, if it is healed.
    case hangs
    /// It does not even answer to connection attempts.
    case drops
    /// It executes the request and breaks the connection.
    case resets
    /// This share of its answers, in ten-thousandths, has this status.
    case errs(share: Int, status: Int)
    /// It answers later by so much.
    case slows(by: Duration)
    /// Its answers break off.
    case truncates
    /// This share of packets is lost, and repeated 200 ms later.
    case loses(share: Int)

    /// Nearly nothing gets through.
    package var isTotal: Bool {
        switch self {
        case .refuses, .hangs, .drops, .resets, .truncates: true
        case .errs(let share, _): share >= 9_000
        case .slows, .loses: false
        }
    }
}

/// What a health check says, whatever requests meet.
package enum ProbeLie: Sendable, Equatable {
    case fails, passes
}
