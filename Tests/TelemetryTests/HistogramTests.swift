import Testing

@testable import Telemetry

struct HistogramTests {
    @Test(arguments: [
        0, 1, 16_383, 16_384, 20_000, 99_999, 1_000_000, 50_000_000, 999_999_999, 15_000_000_000, 137_000_000_000,
        137_438_953_472, Int64.max,
    ])
    func `a duration lies within the edges of its bucket`(nanoseconds: Int64) {
        let bucket = Histogram.bucket(nanoseconds: nanoseconds)
        #expect(bucket >= 0 && bucket < Histogram.bucketCount)
        #expect(nanoseconds < Histogram.upperEdge(of: bucket) || bucket == Histogram.bucketCount - 1)
        if bucket > 0 { #expect(nanoseconds >= Histogram.upperEdge(of: bucket - 1)) }
    }

    @Test func `edges ascend by at most a quarter`() {
        for bucket in 1..<Histogram.bucketCount - 1 {
            let below = Histogram.upperEdge(of: bucket - 1)
            let edge = Histogram.upperEdge(of: bucket)
            #expect(edge > below)
            #expect(edge - below <= below / 4 + 1)
        }
    }

    @Test func `a histogram's text is cumulative and ends in all`() {
        let histogram = Histogram()
        for nanoseconds: Int64 in [20_000, 20_000, 3_000_000, 200_000_000_000] {
            histogram.record(nanoseconds: nanoseconds)
        }
        var text = MetricsText()
        text.family("x_seconds", .histogram, "Time.")
        text.histogram([("service", "a")], [histogram])
        #expect(text.text.contains("x_seconds_bucket{service=\"a\",le=\"3.2768e-05\"} 2\n"))
        #expect(text.text.contains("x_seconds_bucket{service=\"a\",le=\"0.004194304\"} 3\n"))
        #expect(text.text.contains("x_seconds_bucket{service=\"a\",le=\"+Inf\"} 4\n"))
        #expect(text.text.contains("x_seconds_count{service=\"a\"} 4\n"))
    }

    @Test func `label values are escaped`() {
        var text = MetricsText()
        text.family("y_total", .counter, "Y.")
        text.sample([("a", "q\"\\\n")], 1)
        #expect(text.text.hasSuffix("y_total{a=\"q\\\"\\\\\\n\"} 1\n"))
    }
}
