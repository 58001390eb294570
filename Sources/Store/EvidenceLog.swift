package import Failover
internal import Files
internal import FoundationEssentials
internal import Glibc

/// What the brain was told, so that its decisions can be taken again, and a router that starts again goes on where it
/// was.
///
/// Segments in the state directory: `evidence-7.log` begins with the brain as it was and goes on with every event since.
/// A segment that has reached its limit is followed by another; the oldest are removed. Each record is its length, the
/// time since the one before, and an event; one that was cut off by a sudden end is where a segment ends.
package struct EvidenceLog: ~Copyable {
    private let directory: String
    private let segmentBytes: Int
    private let segmentLimit: Int
    private let restFactor: Int
    private var file: OpenFile?
    private var number: Int
    private var bytes = 0
    private var last: Int64 = 0
    /// Of all records since the segment's beginning.
    private var checksum = Self.emptyChecksum

    /// - Parameters:
    ///   - segmentBytes: of events, after which a segment is followed by another.
    ///   - restFactor: a large brain takes long to write, and no other is begun before so many times as long has passed.
    init(directory: String, segmentBytes: Int = 4 * 1_048_576, segmentLimit: Int = 32, restFactor: Int = 100) {
        self.restFactor = restFactor
        self.directory = directory
        self.segmentBytes = segmentBytes
        self.segmentLimit = segmentLimit
        number = Self.segments(in: directory).last?.number ?? 0
    }

    /// A new segment is due: at the start, after an error, and when the present one is full.
    package var wantsSegment: Bool { (file == nil || bytes >= segmentBytes) && ContinuousClock.now >= restUntil }

    /// No segment is begun before then.
    private var restUntil = ContinuousClock.now
    /// A segment that waits for the next grows to so many times its size; then there is a gap.
    private static let longestSegment = 16

    /// Begins a segment with a brain as it is.
    package mutating func begin(_ brain: Brain) throws {
        file = nil
        number += 1
        let began = ContinuousClock.now
        defer { restUntil = .now + (.now - began) * restFactor }
        let path = Self.path(number, in: directory)
        var writer = EvidenceWriter()
        let snapshot = Array(try JSONEncoder.evidence.encode(brain))
        writer.put(Self.checksum(snapshot))
        writer.put(snapshot)
        // Whole or not at all: a part of a brain would be none.
        try StateFiles.makeDirectory(directory)
        try StateFiles.replace(path, with: writer.bytes)
        file = try OpenFile(appendingTo: path)
        bytes = 0
        last = 0
        checksum = Self.emptyChecksum
        for old in Self.segments(in: directory).dropLast(segmentLimit) { try? StateFiles.remove(old.path) }
    }

    /// Appends an event, which reaches the system before this returns. After an error a new segment is due.
    ///
    /// - Returns: false when there is no segment to append it to.
    @discardableResult
    package mutating func append(_ event: Event, at time: Instant) throws -> Bool {
        if bytes >= segmentBytes * Self.longestSegment { file = nil }
        guard file != nil else { return false }
        var record = EvidenceWriter()
        record.put(Int(time.nanoseconds &- last))
        try record.put(event)
        let sum = Self.checksum(record.bytes, after: checksum)
        var framed = EvidenceWriter()
        framed.put(record.bytes)
        framed.put(sum)
        do throws(FileProblem) {
            try file?.write(framed.bytes)
        } catch {
            file = nil
            throw error
        }
        last = time.nanoseconds
        checksum = sum
        bytes += framed.bytes.count
        return true
    }

    /// Lets go of a segment that is not where it was made: a new one is due then. True if there was one.
    package mutating func leaveIfDisplaced() -> Bool {
        guard let isInPlace = file?.isInPlace, !isInPlace else { return false }
        file = nil
        restUntil = .now
        return true
    }

    // Reading

    /// A segment that was read: the brain it begins with, and what it was told.
    package struct Segment: Sendable {
        package let name: String
        package let brain: Brain
        package let events: [(event: Event, time: Instant)]
    }

    /// The segments of a state directory, oldest first; what cannot be read of them is left out.
    package static func names(in directory: String) -> [String] {
        segments(in: directory).map(\.path)
    }

    package static func read(_ path: String) throws -> Segment {
        var reader = EvidenceReader(try RegularFile.read(path, atMost: StateDirectory.readLimit))
        let checksum = try reader.number()
        let snapshot = try reader.text()
        guard Self.checksum(snapshot) == checksum else { throw EvidenceDamaged() }
        guard let brain = try? JSONDecoder().decode(Brain.self, from: Data(snapshot)) else { throw EvidenceDamaged() }
        var events: [(event: Event, time: Instant)] = []
        var time: Int64 = 0
        var sum = Self.emptyChecksum
        // The last record may have been cut off. What passes its checksum was written by a router, in this order: so the
        // brain is told nothing that it could not have met.
        while !reader.isAtEnd, let record = try? reader.text(), let told = try? reader.number() {
            sum = Self.checksum(record, after: sum)
            guard sum == told else { throw EvidenceDamaged() }
            var inner = EvidenceReader(record)
            let (next, overflow) = time.addingReportingOverflow(Int64(try inner.signed()))
            guard !overflow, next >= time else { throw EvidenceDamaged() }
            time = next
            events.append((try inner.event(), Instant(nanoseconds: time)))
        }
        return Segment(
            name: String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...]), brain: brain,
            events: events)
    }

    private static let emptyChecksum: UInt64 = 0xcbf2_9ce4_8422_2325

    /// FNV-1a, of these bytes behind others.
    private static func checksum(_ bytes: [UInt8], after sum: UInt64 = emptyChecksum) -> UInt64 {
        bytes.reduce(sum) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    private static func path(_ number: Int, in directory: String) -> String { "\(directory)/evidence-\(number).log" }

    /// Segments are numbered from 1 on; a file of a higher number was not made here.
    private static let numberLimit = 1 << 48

    private static func segments(in directory: String) -> [(number: Int, path: String)] {
        let names = (try? StateFiles.names(in: directory)) ?? []
        return names.compactMap { name in
            guard name.hasPrefix("evidence-"), name.hasSuffix(".log"),
                let number = Int(name.dropFirst("evidence-".count).dropLast(".log".count)),
                (0..<Self.numberLimit).contains(number)
            else { return nil }
            return (number, path(number, in: directory))
        }.sorted { $0.number < $1.number }
    }
}
