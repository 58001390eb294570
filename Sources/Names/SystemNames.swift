internal import Files
internal import Glibc
internal import Reactor
internal import RouteTable

/// What the machine itself says of names: /etc/hosts and /etc/resolv.conf, read again when they change.
final class SystemNames {
    private(set) var hosts: [String: [IPAddress]] = [:]
    private(set) var settings: ResolverSettings
    private let hostsPath: String
    private let resolvConfPath: String?
    private var hostsStamp: Stamp?
    private var resolvConfStamp: Stamp?

    /// Files larger than this are cut off.
    private static let sizeLimit = 16_777_216

    /// - Parameter settings: in place of what resolv.conf says.
    init(hosts: String, resolvConf: String, settings: ResolverSettings?) {
        hostsPath = hosts
        resolvConfPath = settings == nil ? resolvConf : nil
        self.settings = settings ?? ResolverSettings(resolvConf: "", domain: nil)
    }

    /// Looks whether they are as they were.
    func refresh() {
        let hostsNow = Stamp(path: hostsPath)
        if hostsNow != hostsStamp || hostsNow == nil {
            hostsStamp = hostsNow
            hosts = Self.hosts(in: Self.read(hostsPath))
        }
        guard let resolvConfPath else { return }
        let resolvConfNow = Stamp(path: resolvConfPath)
        if resolvConfNow != resolvConfStamp || resolvConfNow == nil {
            resolvConfStamp = resolvConfNow
            settings = ResolverSettings(resolvConf: Self.read(resolvConfPath), domain: Self.domain)
        }
    }

    /// hosts(5): an address and its names on each line.
    static func hosts(in text: String) -> [String: [IPAddress]] {
        var hosts: [String: [IPAddress]] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
            guard let first = words.first, let address = IPAddress(String(first)) else { continue }
            for name in words.dropFirst() where hosts[name.lowercased()]?.contains(address) != true {
                hosts[name.lowercased(), default: []].append(address)
            }
        }
        return hosts
    }

    /// What the host's own name has behind its first dot.
    private static var domain: String? {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, 255) == 0 else { return nil }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let dot = text.firstIndex(of: ".") else { return nil }
        let domain = text[text.index(after: dot)...]
        return domain.isEmpty ? nil : String(domain)
    }

    private static func read(_ path: String) -> String {
        String(decoding: (try? RegularFile.readBeginning(path, atMost: sizeLimit)) ?? [], as: UTF8.self)
    }

    /// By which a file that was changed, or replaced, is known.
    private struct Stamp: Equatable {
        let inode: UInt64
        let size: Int64
        let seconds: Int
        let nanoseconds: Int

        init?(path: String) {
            var found = stat()
            guard unsafe stat(path, &found) == 0 else { return nil }
            inode = UInt64(found.st_ino)
            size = Int64(found.st_size)
            seconds = found.st_mtim.tv_sec
            nanoseconds = found.st_mtim.tv_nsec
        }
    }
}
