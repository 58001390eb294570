/// Builds a page of metrics in Prometheus' text format, version 0.0.4.
///
/// Samples of one family must be added together, after `family`.
package struct MetricsText {
    package enum Kind: String {
        case counter, gauge, histogram
    }

    /// Labels as they are written, for those that many samples have: made once.
    package struct Labels: Sendable {
        /// `service="a",region="b"`, escaped.
        fileprivate var bytes: [UInt8] = []

        package init(_ labels: [(String, String)]) {
            for (name, value) in labels { append(name, value) }
        }

        package func with(_ name: String, _ value: String) -> Labels {
            var labels = self
            labels.append(name, value)
            return labels
        }

        /// A value may be any text; a name is one of ours.
        private mutating func append(_ name: String, _ value: String) {
            if !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
            bytes += name.utf8
            bytes += [UInt8(ascii: "="), UInt8(ascii: "\"")]
            for byte in value.utf8 {
                switch byte {
                case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes += [UInt8(ascii: "\\"), byte]
                case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
                default: bytes.append(byte)
                }
            }
            bytes.append(UInt8(ascii: "\""))
        }
    }

    /// UTF-8.
    package private(set) var bytes: [UInt8] = []
    private var name = ""

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package init() {
        bytes.reserveCapacity(65_536)
    }

    /// Begins a family. Counters' names end in `_total`.
    package mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        precondition(kind != .counter || name.hasSuffix("_total"), "\(name): a counter's name ends in _total")
        self.name = name
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
    }

    package mutating func sample(_ labels: [(String, String)] = [], _ value: some BinaryInteger) {
        line("", Labels(labels), String(value))
    }

    package mutating func sample(_ labels: [(String, String)] = [], _ value: Double) {
        line("", Labels(labels), String(value))
    }

    package mutating func sample(_ labels: Labels, _ value: some BinaryInteger) {
        line("", labels, String(value))
    }

    /// A histogram in seconds, from per-bucket counts as `Histogram` keeps them, summed over workers. The
    /// edges shown are the powers of two: `le` from 16 µs to 69 s.
    package mutating func histogram(_ labels: [(String, String)], _ histograms: [Histogram]) {
        let labels = Labels(labels)
        var cumulative: UInt64 = 0
        var sum: UInt64 = 0
        for histogram in histograms { sum &+= histogram.sumNanoseconds }
        for bucket in 0..<Histogram.bucketCount {
            for histogram in histograms { cumulative &+= histogram.count(inBucket: bucket) }
            let edge = Histogram.upperEdge(of: bucket)
            // Every fourth edge, a power of two, is enough for a graph; the quantiles of the brain use them all.
            if edge != .max, edge & (edge - 1) == 0 {
                line("_bucket", labels.with("le", String(Double(edge) / 1e9)), String(cumulative))
            }
        }
        line("_bucket", labels.with("le", "+Inf"), String(cumulative))
        line("_sum", labels, String(Double(sum) / 1e9))
        line("_count", labels, String(cumulative))
    }

    private mutating func line(_ suffix: String, _ labels: Labels, _ value: String) {
        bytes += name.utf8
        bytes += suffix.utf8
        if !labels.bytes.isEmpty {
            bytes.append(UInt8(ascii: "{"))
            bytes += labels.bytes
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: " "))
        bytes += value.utf8
        bytes.append(UInt8(ascii: "\n"))
    }
}
