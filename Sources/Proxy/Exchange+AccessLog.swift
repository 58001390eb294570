internal import Telemetry

extension Exchange {
    func record(in log: AccessLogRing) {
    }
}
