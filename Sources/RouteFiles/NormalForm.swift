package import RouteTable

/// Prints a table in one form: every default filled in, always in the same order. Read again, it gives an equal table.
package enum NormalForm {
    package static func text(of table: Table) -> String {
        let writing = Writing(table: table)
        var printer = YAMLPrinter()
        printer.print([
            OutputEntry(
                key: "listeners",
                value: .mapping(
                    table.listeners.map { OutputEntry(key: $0.name, value: Shapes.listener.write($0, writing)) })),
            OutputEntry(
                key: "regions",
                value: .mapping(
                    table.regions.map { OutputEntry(key: $0.name, value: Shapes.region.write($0, writing)) })),
            OutputEntry(
                key: "services",
                value: .mapping(
                    table.services.map {
                        OutputEntry(key: $0.name, value: Shapes.service.write(ServiceDraft($0), writing))
                    })),
            OutputEntry(
                key: "routes",
                value: .sequence(table.routes.map { Shapes.route.write(RouteDraft($0), writing) })),
            OutputEntry(key: "cascade", value: Shapes.cascade.write(table.cascade, writing)),
        ])
        return printer.text
    }
}

extension ServiceDraft {
    /// What the files would say of a service.
    init(_ service: Service) {
        let nowhere = Position(file: 0, line: 0, column: 0)
        settings.service = service
        settings.probe = ProbeDraft(service.probe)
        prefer = service.cells.map { Placed(value: $0.region, position: nowhere) }
        endpoints = service.cells.map { cell in
            PlacedPair(key: cell.region, value: cell.endpoints.map { Placed(value: $0, position: nowhere) })
        }
        capacity = service.cells.compactMap { cell in cell.capacity.map { PlacedPair(key: cell.region, value: $0) } }
    }
}
