import Foundation
import Testing

@testable import spillway

struct SettingsTests {
    @Test func `a flag wins over the environment, that over the file, that over the default`() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("settings.yaml", "workers: 3\ndrain: 7\nlog_format: json\n")
        let settings = try Settings(
            flags: [.workers: "5"], environment: ["SPILLWAY_WORKERS": "4", "SPILLWAY_DRAIN": "9"], file: file)
        #expect(settings.workers == 5)
        #expect(settings.drain == 9)
        #expect(settings.logFormat == .json)
        #expect(settings.admin == "127.0.0.1:9901")
    }

    @Test(arguments: [
        (["STATE_DIRECTORY": "/var/lib/spillway", "XDG_STATE_HOME": "/x"], "/var/lib/spillway"),
        (["XDG_STATE_HOME": "/x"], "/x/spillway"),
        (["XDG_STATE_HOME": "/x", "SPILLWAY_STATE": "/y"], "/y"),
    ])
    func `the state directory is where the system wants it`(environment: [String: String], path: String) throws {
        #expect(try Settings(flags: [:], environment: environment, file: nil).state == path)
    }

    @Test(arguments: [
        ([Settings.Key.workers: "many"], "--workers: found \"many\", expected auto, or 1 to 256"),
        ([.workers: "0"], "--workers: found \"0\", expected auto, or 1 to 256"),
        ([.admin: "9901"], "--admin: found \"9901\", expected an address such as 127.0.0.1:9901 or [::1]:9901"),
        ([.admin: "::1:9901"], "--admin: found \"::1:9901\", expected an address such as 127.0.0.1:9901 or [::1]:9901"),
        ([.logFormat: "xml"], "--log-format: found \"xml\", expected text or json"),
        ([.drain: "-1"], "--drain: found \"-1\", expected seconds, 0 to 86400"),
    ])
    func `a value that cannot be is refused with its origin`(flags: [Settings.Key: String], message: String) {
        #expect { try Settings(flags: flags, environment: [:], file: nil) } throws: { "\($0)" == message }
    }

    @Test func `an address is told as it is given`() {
        for text in ["127.0.0.1:9901", "[::1]:9901", "localhost:80"] {
            #expect(HostPort(text).map { "\($0)" } == text)
        }
    }

    @Test func `a variable, and a line of the file, are named as such`() throws {
        #expect {
            try Settings(flags: [:], environment: ["SPILLWAY_LOG_LEVEL": "loud"], file: nil)
        } throws: {
            "\($0)"
                == "SPILLWAY_LOG_LEVEL: found \"loud\", expected trace, debug, info, notice, warning or error"
        }
        let directory = try TemporaryDirectory()
        let file = try directory.write("settings.yaml", "drain: 5\nworker: 4\n")
        #expect { try Settings(flags: [:], environment: [:], file: file) } throws: {
            "\($0)"
                == "\(file):2:1: unknown setting \"worker\"; "
                + "expected one of admin, admin_hosts, workers, state, log_format, log_level, drain, resolv_conf"
        }
    }
}
