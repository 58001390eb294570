import Picking
import Testing

struct UploadProgressTests {
    private static let millisecond: Int64 = 1_000_000

    @Test func `a body moves when more of it has arrived than at the last look`() {
        var upload = UploadProgress()
        #expect(upload.movedAt == 0)
        let looks: [(arrived: Int, now: Int64, movedAt: Int64)] = [
            (0, 10, 10), (0, 20, 10), (1, 30, 30), (1, 40, 30), (500_000, 50, 50), (400_000, 60, 50), (400_001, 70, 70),
        ]
        for look in looks {
            upload.look(arrived: look.arrived, now: look.now)
            #expect(upload.movedAt == look.movedAt, "\(look)")
        }
    }

    @Test func `one that stands still is looked at less and less often`() {
        var upload = UploadProgress()
        let start: Int64 = 1_000 * Self.millisecond
        upload.look(arrived: 1, now: start)
        let waits: [(after: Int64, next: Int64)] = [(0, 100), (200, 100), (300, 150), (2_000, 1_000), (60_000, 1_000)]
        for wait in waits {
            let now = start + wait.after * Self.millisecond
            upload.look(arrived: 1, now: now)
            #expect(upload.nextLook(now: now) == now + wait.next * Self.millisecond)
        }
        #expect(UploadProgress.firstLook(now: start) == start + 100 * Self.millisecond)
    }
}
