import Dispatch
import Synchronization
import Testing

@testable import Control

struct WorkThreadTests {
    @Test func `work is done in order, and what finds no room is refused until some is done`() async throws {
        let thread = try WorkThread(name: "work", costLimit: 3, givesWay: true)
        let gate = DispatchSemaphore(value: 0)
        let done = Mutex<[Int]>([])
        for number in 0..<3 {
            #expect(thread.hasRoom)
            #expect(
                thread.add {
                    if number == 0 { gate.wait() }
                    done.withLock { $0.append(number) }
                })
        }
        #expect(!thread.hasRoom)
        #expect(await thread.run { 3 } == nil)
        gate.signal()
        while !thread.hasRoom { await Task.yield() }
        #expect(await thread.run { 4 } == 4)
        #expect(done.withLock { $0 } == [0, 1, 2])
    }
}
