internal import RouteTable

/// What is worth a warning in a table without mistakes.
struct TableWarnings {
    let table: Table
    let reading: Reading
    /// The entries of the files' outermost mappings.
    let sections: [SourceEntry]
    /// Of each route of the table.
    let routePlaces: [Position]
    private(set) var all: [TableWarning] = []

    init(of table: Table, _ reading: Reading, sections: [SourceEntry], routePlaces: [Position]) {
        self.table = table
        self.reading = reading
        self.sections = sections
        self.routePlaces = routePlaces
        let reached = reachedServices()
        let silent = servicesThatSayNoProbe()
        checkListeners()
        checkRegions()
        for (index, service) in table.services.enumerated() {
            checkService(service, isReached: reached.contains(index), saysNoProbe: silent.contains(service.name))
        }
        checkShadows()
        checkEmptySections()
        for (index, route) in table.routes.enumerated() { checkTexts(route, at: index) }
    }

    private mutating func warn(_ kind: NameKind, _ name: String, _ text: String) {
        guard let place = reading.names.position(kind, name) else { return }
        warn(place, "\(kind.plural).\(name)", text)
    }

    private mutating func warn(_ place: Position, _ path: String, _ text: String) {
        all.append(
            TableWarning(
                file: reading.files[place.file], line: place.line, column: place.column, path: path, text: text))
    }

    /// A key with nothing behind it is what a generator leaves that found nothing to write.
    private mutating func checkEmptySections() {
        for section in sections {
            guard case .nothing = section.value.content else { continue }
            let nothing = section.key == "routes" ? "[]" : "{}"
            warn(
                section.position, section.key,
                "nothing is under this key; delete it, or write `\(nothing)` if that is meant")
        }
    }

    // Listeners and regions

    private mutating func checkListeners() {
        let isForAll = table.routes.contains { $0.match.listener == nil }
        let named = Set(table.routes.compactMap(\.match.listener))
        for (index, listener) in table.listeners.enumerated() {
            let hasRoute = named.contains(index) || isForAll && !listener.transport.isTunnel
            if listener.redirectsToHTTPS || hasRoute { continue }
            let consequence =
                listener.transport.isTunnel ? "every connection is closed" : "every request is answered 404"
            warn(
                .listener, listener.name,
                "no route is for this listener: \(consequence); add one, or take the listener away")
        }
    }

    private mutating func checkRegions() {
        let used = Set(table.services.flatMap(\.cells).map(\.region))
        for (index, region) in table.regions.enumerated() where !used.contains(index) {
            warn(
                .region, region.name, "no service has endpoints in this region; add some, or take the region away")
        }
    }

    // Services

    /// Those that routes lead to, and those that these need.
    private func reachedServices() -> Set<Int> {
        var reached: Set<Int> = []
        var waiting: [Int] = table.routes.flatMap { route -> [Int] in
            guard case .forward(let destinations) = route.action else { return [] }
            return destinations.map(\.service)
        }
        while let next = waiting.popLast() {
            if reached.insert(next).inserted { waiting += table.services[next].needs }
        }
        return reached
    }

    /// Those with a `probe` of their own or of `defaults`: where there is none, `none` was meant.
    private func servicesThatSayNoProbe() -> Set<String> {
        let services = sections.filter { $0.key == "services" }.flatMap { $0.value.entries ?? [] }
        let isDefault = sections.contains { $0.key == "defaults" && $0.value["probe"] != nil }
        return Set(services.filter { isDefault || $0.value["probe"] != nil }.map(\.key))
    }

    private mutating func checkService(_ service: Service, isReached: Bool, saysNoProbe: Bool) {
        if !isReached {
            warn(
                .service, service.name,
                "no route leads to this service, and none that has a route needs it; add a route, or take it away")
        }
        if service.probe == nil, !saysNoProbe {
            warn(
                .service, service.name,
                "no probe: whether its endpoints are well is found out by requests, at their cost; "
                    + "add one such as `probe: { http: / }`, or `probe: none` if that is meant")
        }
        let endpoints = service.cells.flatMap(\.endpoints)
        if endpoints.count == 1, let only = endpoints.first, !only.isNamed {
            warn(
                .service, service.name,
                "one endpoint, \(only.host): when it fails, its requests have nowhere to go; add another, "
                    + "in another region if there can be one")
        }
    }

    // Routes

    private mutating func checkShadows() {
        for shadow in RouteShadows(table).all {
            let (route, other) = (table.routes[shadow.route], table.routes[shadow.by])
            let place = reading.place(routePlaces[shadow.by])
            let text =
                route.match == other.match
                ? "never matches: the route at \(place) is for the same requests and comes first; take one of them away"
                : "never matches: the route at \(place), for \(table.text(of: other.match)), takes all its requests first; "
                    + "take it away, or change what one of them matches"
            warn(routePlaces[shadow.route], "routes[\(shadow.route)]", text)
        }
        for (index, route) in table.routes.enumerated() {
            guard let listener = route.match.listener, table.listeners[listener].redirectsToHTTPS else { continue }
            warn(
                routePlaces[index], "routes[\(index)]",
                "never matches: the listener \(table.listeners[listener].name.quotedForPeople) redirects every request; "
                    + "take the route away, or the listener's `redirect`")
        }
    }

    /// What other routers would fill in.
    private mutating func checkTexts(_ route: Route, at index: Int) {
        for (key, edits) in [("request_headers", route.requestHeaders), ("response_headers", route.responseHeaders)] {
            for field in edits.set + edits.add {
                guard let reference = OthersVariables.first(in: field.value) else { continue }
                warn(
                    routePlaces[index], "routes[\(index)].\(key)",
                    "\(field.name) is sent with \(reference.quotedForPeople) as it is: nothing of the request is filled in; "
                        + "write the value itself")
            }
        }
    }
}

extension Endpoint {
    /// A name stands for all its addresses.
    fileprivate var isNamed: Bool { if case .name = host { true } else { false } }
}
