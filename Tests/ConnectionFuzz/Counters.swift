import Proxy
import Reactor
import RouteTable
import TLS
import Telemetry

/// What the router counts, over all inputs: making these anew for each would take longer than most inputs do. Laws look
/// at what was added.
@safe final class Counters: @unchecked Sendable {
    static let shared = Counters()

    let worker = WorkerCounters()
    let listeners: [ListenerCounters]
    let services: [ServiceCounters]
    let cells: [[CellCounters]]
    let endpoints: [(place: UInt16, name: String, address: SocketAddress, counters: EndpointCounters)]
    private let handshakes: [HandshakeCounters]

    private init() {
        listeners = World.places.map { _ in ListenerCounters() }
        services = World.services.map { _ in ServiceCounters() }
        cells = World.services.map { $0.endpoints.map { _ in CellCounters() } }
        handshakes = World.services.map { _ in HandshakeCounters() }
        endpoints = World.services.enumerated().flatMap { number, kind in
            kind.endpoints.enumerated().flatMap { region, count in
                (0..<count).compactMap { index in
                    let place = World.place(service: number, region: region, index: index)
                    let name = World.address(place)
                    return SocketAddress(ip: name, port: 80).map { (place, name, $0, EndpointCounters()) }
                }
            }
        }
    }

    func publication(_ variant: Int, generation: Int) -> Publication {
        let world = World.shared
        let table = world.tables[variant]
        let services = table.services.enumerated().map { number, service in
            let kind = World.services[number]
            return Publication.Service(
                counters: self.services[number],
                cells: service.cells.enumerated().map { region, cell in
                    Publication.Cell(
                        counters: cells[number][region], responseTime: SharedEstimate(),
                        endpoints: cell.endpoints.indices.compactMap { index in
                            endpoint(World.place(service: number, region: region, index: index), kind)
                        })
                },
                split: service.cells.indices.map { $0 == 0 ? 10_000 : 0 },
                tls: service.tls == nil ? nil : world.clients[number],
                handshakes: service.tls == nil ? nil : handshakes[number])
        }
        return Publication(
            world.compiled[variant], services: services,
            listeners: table.listeners.map { listener in
                listeners[World.places.firstIndex { $0.name == listener.name } ?? 0]
            },
            accessLogs: table.listeners.map { _ in world.log },
            tlsServers: table.listeners.map { World.place($0.name).isSecure ? world.server : nil },
            generation: generation, workers: 1)
    }

    private func endpoint(_ place: UInt16, _ kind: World.Kind) -> Publication.Endpoint? {
        endpoints.first { $0.place == place }.map {
            Publication.Endpoint(
                number: Int(place), address: $0.address, name: $0.name, weight: 1, share: 10_000, counters: $0.counters,
                peerName: kind.isSecure ? .init(host: "a.test") : .none)
        }
    }
}
