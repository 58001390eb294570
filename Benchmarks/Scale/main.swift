// What size costs: `scale brain SERVICES REGIONS ENDPOINTS` and `scale probes TARGETS PORT SECONDS`. Prints one line of
// JSON. Benchmarks/run scale calls it and says what it means.

let arguments = CommandLine.arguments.dropFirst()
let numbers = arguments.dropFirst().compactMap { Int($0) }

switch (arguments.first, numbers.count) {
case ("brain", 3): print(BrainScale(services: numbers[0], regions: numbers[1], endpoints: numbers[2]).measure())
case ("probes", 3): print(try ProbeScale(targets: numbers[0], port: UInt16(numbers[1])).measure(seconds: numbers[2]))
default: fatalError("usage: scale brain SERVICES REGIONS ENDPOINTS | scale probes TARGETS PORT SECONDS")
}
