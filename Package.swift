// swift-tools-version: 6.2
import PackageDescription

// Spillway: three floors, and arrows only go down (docs/ARCHITECTURE.md).
//   steering: async Swift and well-kept packages · moving bytes: own threads, no async · thinking: pure

/// CI refuses warnings; a newer compiler's new warning must not keep a newcomer from building.
let warningsAreErrors = Context.environment["CI"] != nil

let settings: [SwiftSetting] =
    [
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

/// The request path: exclusivity is checked at run time in debug builds only (docs/decisions/0005).
let hotSettings = settings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// The release binary carries the Swift runtime, and the libraries of C++ and of GCC that this needs, within it: it runs
/// where no Swift is installed (docs/decisions/0002). Yams needs all of Foundation, whose parts are named here because
/// packages are compiled as for the shared one.
let runtimeWithin: [LinkerSetting] = [
    .unsafeFlags(
        [
            "-static-stdlib", "-use-ld=lld", "-Xclang-linker", "-static-libgcc",
            "-L\(Context.packageDirectory)/deploy/static",
            "-lCoreFoundation", "-lFoundationInternationalization", "-lFoundationEssentials", "-l_FoundationICU",
            "-l_FoundationCollections", "-l_FoundationCShims",
        ], .when(configuration: .release))
]

func module(_ name: String, _ dependencies: [Target.Dependency] = [], isHot: Bool = false) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: isHot ? hotSettings : settings)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name)] + dependencies, swiftSettings: settings)
}

/// `make sanitize` builds what it runs: not the command and its admin address, which are half of what there is to compile.
let isWhole = Context.environment["SPILLWAY_SANITIZE"] == nil

let dependenciesOfTheCommand: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    // Without what reads configuration files and what needs the whole of Foundation.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
]

/// The rest of the steering floor.
let command: [Target] = [
    module(
        "AdminAPI",
        [
            "Control", "Reactor",
            .product(name: "Hummingbird", package: "hummingbird"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        ]),
    module("Demo", ["Reactor", "Wire"]),
    .executableTarget(
        name: "spillway",
        dependencies: [
            "AdminAPI", "CLinux", "Control", "Demo", "Failover", "Files", "Reactor", "RouteFiles", "RouteTable",
            "Simulation", "Store",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "Yams", package: "Yams"),
        ], swiftSettings: settings, linkerSettings: runtimeWithin),
    tests(of: "spillway", ["Backends", "Failover", "Reactor", "Store", "TLS"]),
]

let package = Package(
    name: "spillway",
    products: isWhole ? [.executable(name: "spillway", targets: ["spillway"])] : [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ] + (isWhole ? dependenciesOfTheCommand : []),
    targets: [
        // Thinking
        module("RouteTable"),
        module("Failover", ["RouteTable"]),
        module("Picking", ["RouteTable"], isHot: true),
        module("Simulation", ["Failover", "Picking", "RouteTable"], isHot: true),
        module("Wire", isHot: true),

        // Moving bytes
        .target(name: "CLinux"),
        .target(name: "CNGHTTP2"),
        // The archive, not the shared library: the command needs no other file for it.
        .target(name: "CZlib", linkerSettings: [.linkedLibrary(":libz.a")]),
        module("Reactor", ["CLinux"], isHot: true),
        module("Files"),
        .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        module("TLS", ["COpenSSL", "Files", "Reactor", "RouteTable"], isHot: true),
        module("Telemetry", isHot: true),
        module(
            "Proxy",
            [
                "CNGHTTP2", "Picking", "Reactor", "RouteTable", "TLS", "Telemetry", "Wire",
                .product(name: "DequeModule", package: "swift-collections"),
            ], isHot: true),
        module(
            "Names",
            [
                "Files", "Reactor", "RouteTable", "Wire",
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        module("Probes", ["Reactor", "RouteTable", "TLS", "Telemetry", "Wire"]),

        // Steering
        module(
            "RouteFiles", ["Failover", "Files", "RouteTable", "Simulation", .product(name: "Yams", package: "Yams")]),
        module("Store", ["CLinux", "Failover", "Files", "RouteTable"]),
        module(
            "Control",
            [
                "CLinux", "CZlib", "Failover", "Files", "Names", "Probes", "Proxy", "Reactor", "RouteFiles",
                "RouteTable",
                "Store",
                "TLS",
                "Telemetry", "Wire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .executableTarget(
            name: "scale", dependencies: ["Failover", "Probes", "Reactor", "RouteTable"], path: "Benchmarks/Scale",
            swiftSettings: settings),
        .target(
            name: "CForge", path: "Tests/CForge",
            linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(
            name: "Backends", dependencies: ["CForge", "Reactor", "RouteTable", "TLS"], path: "Tests/Backends",
            swiftSettings: settings),
        .executableTarget(
            name: "properties", dependencies: ["Failover", "Simulation"], path: "Tests/properties",
            exclude: ["run", "mutations"], swiftSettings: settings),
        tests(of: "RouteTable"),
        tests(of: "RouteFiles", ["RouteTable"]),
        tests(of: "Failover", ["RouteTable"]),
        tests(of: "Picking", ["RouteTable"]),
        tests(of: "Simulation", ["Failover", "RouteFiles", "RouteTable"]),
        tests(of: "Wire"),
        tests(of: "Files"),
        tests(of: "Reactor"),
        tests(of: "TLS", ["Backends", "Reactor", "RouteTable"]),
        tests(of: "Proxy", ["Backends", "Reactor", "RouteTable", "TLS", "Telemetry", "Wire"]),
        tests(of: "Probes", ["Backends", "Reactor", "RouteTable", "TLS", "Telemetry", "Wire"]),
        tests(of: "Names", ["Backends", "Reactor", "RouteTable"]),
        tests(of: "Store", ["Failover", "Files", "RouteTable"]),
        tests(
            of: "Control",
            [
                "Backends", "Failover", "Names", "Probes", "Proxy", "Reactor", "RouteTable", "Store", "TLS",
                "Telemetry",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        tests(of: "Telemetry"),
    ] + (isWhole ? command : []),
    swiftLanguageModes: [.v6]
)
