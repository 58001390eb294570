internal import RouteTable

/// Why traffic is where it is.
extension Brain {
    /// Explains a service or a region.
    ///
    /// - Parameter decisions: what is known of those taken until now, in order.
    package func explanations(of name: String, _ decisions: [Decision]) throws(UnknownName) -> Explanations {
        var subjects: [Explanation] = []
        if let service = services.firstIndex(where: { $0.name == name }) {
            subjects.append(ServiceAccount(brain: self, index: service, decisions: decisions).explanation)
        }
        if let region = regions.firstIndex(where: { $0.name == name }) {
            subjects.append(RegionAccount(brain: self, index: region, decisions: decisions).explanation)
        }
        guard !subjects.isEmpty else {
            throw UnknownName(name, "service or region", among: services.map(\.name) + regions.map(\.name))
        }
        return Explanations(time: now.date, notes: notes, subjects: subjects)
    }

    /// Explains all services and regions that are not as preferred: in short, why.
    package func explanations(_ decisions: [Decision]) -> Explanations {
        var notes = notes
        let subjects =
            regions.indices.map { RegionAccount(brain: self, index: $0, decisions: decisions).explanation }
            + services.indices.map { ServiceAccount(brain: self, index: $0, decisions: decisions).explanation }
        var troubled = subjects.filter { !$0.isAsPreferred }
        for index in troubled.indices { troubled[index].shorten() }
        if troubled.isEmpty {
            notes.append(
                .init(
                    "All is as preferred: \(counted(services.count, "service")), \(counted(regions.count, "region"))."))
        } else {
            notes.append(.init("In short; `spillway explain NAME` says more of each."))
            let fine = subjects.filter(\.isAsPreferred)
            let (services, regions) = (fine.filter { $0.kind == .service }, fine.filter { $0.kind == .region })
            if !services.isEmpty {
                notes.append(.init("As preferred: \(services.map(\.name).shortened(to: 20).joined(separator: ", "))."))
            }
            if !regions.isEmpty {
                notes.append(.init("Serving: \(regions.map(\.name).shortened(to: 20).joined(separator: ", "))."))
            }
        }
        return Explanations(time: now.date, notes: notes, subjects: troubled)
    }

    private var notes: [Explanation.Statement] {
        var notes: [Explanation.Statement] = []
        if own.isHolding {
            notes.append(
                .init(
                    "Nothing anywhere shows itself: the fault is probably the router's own network, and what was decided "
                        + "last is held.", ["last sign of life \((now - own.lastSign).phrase) ago"]))
        }
        for freeze in overrides where freeze.kind == .freeze {
            notes.append(.init("The router is frozen: nothing changes by itself.", [freeze.line(at: now)]))
        }
        return notes
    }

    /// Orders about a subject, told.
    func statements(ofOrders isAbout: (Order.Subject) -> Bool) -> [Explanation.Statement] {
        overrides.filter { $0.kind == .freeze || isAbout($0.subject) }.map { order in
            let subject = order.subject == .router ? "the router" : "\(order.subject)"
            return .init("\(order.kind) of \(subject), for \((order.until - now).phrase) more.", [order.line(at: now)])
        }
    }

    /// Decisions told, the latest episodes of them.
    func statements(of decisions: [Decision], limit: Int = 12) -> [Explanation.Statement] {
        let episodes = History(decisions).episodes
        var told: [Explanation.Statement] = []
        if episodes.count > limit {
            told.append(.init("… \(episodes.count - limit) earlier ones: spillway history has them all."))
        }
        for episode in episodes.suffix(limit) {
            for entry in ([episode.lead] + episode.others).sorted(by: { $0.first < $1.first }) {
                told.append(.init("\(entry.first.phrase(asOf: now))  \(entry.text)", entry.evidence.shortened(to: 6)))
            }
        }
        return told
    }
}

extension Explanation {
    static let whyTitle = "why"
    static let decisionsTitle = "what led here"

    /// Keeps what an overview needs.
    fileprivate mutating func shorten() {
        sections.removeAll { $0.title != Self.whyTitle }
        for section in sections.indices {
            for statement in sections[section].statements.indices where kind == .service {
                sections[section].statements[statement].evidence = []
            }
        }
    }
}

extension Override {
    /// Since when, until when, and why.
    func line(at now: Instant) -> String {
        "ordered at \(since.phrase(asOf: now)) until \(until.phrase(asOf: now)): \(why)"
    }
}

extension UnknownName {
    init(_ name: String, _ kind: String, among known: [String]) {
        let suggestion = NearName.of(name, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
        description =
            "no \(kind) \"\(name)\"; there are \(known.shortened(to: 20).joined(separator: ", "))\(suggestion)"
    }
}
