internal import CLinux
internal import Dispatch

/// Turns host names into addresses, off Swift's pool because the system's resolver blocks.
struct Resolver: Sendable {
    /// What a look-up gave: addresses in a stable order, and how long they are good for if the answer said so.
    struct Answer: Sendable, Equatable {
        var addresses: [String]
        var timeToLive: Duration?
    }

    enum Failure: Error, Equatable {
        case failed(String)
    }

    private let queue = DispatchQueue(label: "resolver", attributes: .concurrent)

    init() {}

    func resolve(_ name: String) async -> Result<Answer, Failure> {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: Self.lookUp(name)) }
        }
    }

    /// The system's own way (hosts file, then DNS); the time to live comes from a DNS question of our own.
    private static func lookUp(_ name: String) -> Result<Answer, Failure> {
        var texts = [CChar](repeating: 0, count: 64 * 46)
        var ttl: Int32 = -1
        let count = unsafe texts.withUnsafeMutableBufferPointer { buffer in
            unsafe clinux_resolve(name, buffer.baseAddress, 64, &ttl)
        }
        if count < 0 { return .failure(.failed(unsafe String(cString: clinux_resolve_error(count)))) }
        let addresses = (0..<Int(count)).map { index in
            let slice = texts[index * 46..<(index + 1) * 46].prefix { $0 != 0 }
            return String(decoding: slice.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return .success(Answer(addresses: addresses.sorted(), timeToLive: ttl >= 0 ? .seconds(Int64(ttl)) : nil))
    }
}
