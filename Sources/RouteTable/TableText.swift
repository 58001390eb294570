/// How values of a table are written: in its files, in logs, and in answers of the API.
///
/// Durations and shares are printed so that reading them gives the same value again.
extension Duration {
    /// With the largest unit that gives a whole number: `1500ms`, `2s`, `1m`, `1h`; down to microseconds.
    package var tableText: String {
        let (seconds, attoseconds) = components
        let microseconds = attoseconds / 1_000_000_000_000
        if microseconds % 1_000 != 0 { return "\(seconds * 1_000_000 + microseconds)us" }
        if microseconds != 0 { return "\(seconds * 1_000 + microseconds / 1_000)ms" }
        if seconds == 0 || seconds % 60 != 0 { return "\(seconds)s" }
        return seconds % 3_600 == 0 ? "\(seconds / 3_600)h" : "\(seconds / 60)m"
    }
}

extension Int {
    /// A share in ten-thousandths as a percentage: `20%`, `0.5%`, `0.01%`.
    package var percentText: String {
        let whole = self / 100
        let rest = abs(self % 100)
        if rest == 0 { return "\(whole)%" }
        return rest % 10 == 0 ? "\(whole).\(rest / 10)%" : "\(whole).\(rest < 10 ? "0" : "")\(rest)%"
    }

    /// A number of bytes with the largest binary unit that gives a whole number: `32KiB`, `1MiB`, `1000`.
    package var sizeText: String {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        for (unit, bytes) in units where self != 0 && self % bytes == 0 { return "\(self / bytes)\(unit)" }
        return "\(self)"
    }
}

extension EndpointHost: CustomStringConvertible {
    /// As in the files: `10.0.1.10:8080`, `[::1]:8080`, `west.internal:8080`, `unix:/run/app.sock`.
    package var description: String {
        switch self {
        case .ip(let address, let port): bracketed(address) + ":\(port)"
        case .name(let name, let port): "\(name):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension BindAddress: CustomStringConvertible {
    /// As in the files: `0.0.0.0:8080`, `[::]:8080`, `unix:/run/spillway.sock`.
    package var description: String {
        switch self {
        case .ip(let address, let port): bracketed(address) + ":\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

private func bracketed(_ address: String) -> String {
    address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
}

extension AddressBlock: CustomStringConvertible {
    /// As in the files: `10.0.0.0/8`, `2001:db8::/32`.
    package var description: String { "\(IPAddress(bytes: bytes))/\(prefixBits)" }
}

extension HostMatch: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exact(let name): name
        case .wildcard(let name): "*.\(name)"
        }
    }
}

extension ToldHost: CustomStringConvertible {
    package var description: String {
        switch self {
        case .keep: "keep"
        case .endpoint: "endpoint"
        case .named(let name): name
        }
    }
}

extension PathMatch: CustomStringConvertible {
    /// As in sentences: `/checkout`, `exactly /checkout`, `matching /v[0-9]+/.*`.
    package var description: String {
        switch self {
        case .prefix(let text): text
        case .exact(let text): "exactly \(text)"
        case .regex(let text): "matching \(text)"
        }
    }
}

extension HeaderMatch: CustomStringConvertible {
    package var description: String { value.map { "\(name): \($0)" } ?? "\(name) present" }
}

extension Importance {
    package var name: String { "\(self)" }
}

extension Balance: CustomStringConvertible {
    package var description: String {
        switch self {
        case .leastRequests: "least_requests"
        case .roundRobin: "round_robin"
        case .random: "random"
        case .hash(.header(let name)): "hash of header \(name)"
        case .hash(.cookie(let name)): "hash of cookie \(name)"
        case .hash(.source): "hash of source"
        case .hash(.path): "hash of path"
        }
    }
}

extension OnFailover: CustomStringConvertible {
    /// As in sentences: `keep`, `close`, `close after 30s`.
    package var description: String {
        switch self {
        case .keep: "keep"
        case .close: "close"
        case .closeAfter(let time): "close after \(time.tableText)"
        }
    }
}

extension RetryPolicy.Condition: CustomStringConvertible {
    package var description: String {
        switch self {
        case .connect: "connect"
        case .reset: "reset"
        case .timeout: "timeout"
        case .status(let status): "\(status)"
        }
    }
}

extension RetryPolicy.Hedge: CustomStringConvertible {
    package var description: String {
        switch self {
        case .off: "off"
        case .learned(let atLeast): "learned, at least \(atLeast.tableText)"
        case .after(let duration): duration.tableText
        }
    }
}
