import CLinux
import Glibc

// Holds the router's connections against laws: whatever clients, endpoints and the network do, they hold. libFuzzer looks
// for a script with which one does not. docs/threat-model.md has the laws, and how to read and repeat what it finds.

/// Stops the fuzzer, which keeps the input.
func demand(_ holds: Bool, _ law: @autoclosure () -> String) {
    if holds { return }
    var log = LogCounts()
    log.drain()
    fatalError("does not hold: \(law())")
}

/// With FUZZ_TELL in the environment, an input tells what happens in it.
private let tellsAll = unsafe getenv("FUZZ_TELL") != nil

func tell(_ what: @autoclosure () -> String) {
    guard tellsAll else { return }
    var line = "\(fake_now() / 1_000 - 1_000_000_000) \(what())\n"
    _ = line.withUTF8 { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let script = unsafe Script(UnsafeBufferPointer(start: start, count: count))
    guard !script.lines.isEmpty else { return 0 }
    Trial.run(script)
    return 0
}

/// One input: run once, and again if a law about memory or time does not seem to hold, as the first run of anything
/// fills caches.
enum Trial {
    static func run(_ script: Script) {
        var complaints: [String] = []
        for attempt in 0..<4 {
            let complaint = once(script, isRepeated: attempt > 0)
            guard let complaint else { return }
            complaints.append(complaint)
        }
        demand(false, complaints.joined(separator: "; "))
    }

    private static func once(_ script: Script, isRepeated: Bool) -> String? {
        fake_begin()
        let before = fake_allocated()
        let isOfProbes = script.lines[0].verb == .probe
        let complaint =
            isOfProbes
            ? ProbeScene.run(script, isRepeated: isRepeated) : Scene.run(script, isRepeated: isRepeated)
        demand(fake_open_files() == 0, "every descriptor is closed at the end (\(fake_open_files()) are not)")
        if let complaint { return complaint }
        let after = fake_allocated()
        return after > before + 4_096 ? "nothing is held at the end (\(after - before) bytes are)" : nil
    }
}
