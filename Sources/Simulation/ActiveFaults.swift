internal import Failover
internal import RouteTable

/// What ails regions, cells and dependencies at present; backends keep what ails them alone.
struct ActiveFaults {
    private var ofRegions: [Fault?]
    /// By service and position of the cell.
    private var ofCells: [[Fault?]]
    private var liesOfRegions: [ProbeLie?]
    private var liesOfCells: [[ProbeLie?]]
    /// By dependency and region.
    private var ofDependencies: [[Loss?]]
    /// Whole cells that are ailing by themselves, and since when: their callers follow.
    private var ailing: [[Loss?]]
    private let table: Table
    private let dependencies: [Dependency]
    private let withoutNeeds: Int64

    struct Loss {
        var fault: Fault
        var since: Int64
    }

    init(_ scenario: Scenario) {
        table = scenario.table
        dependencies = scenario.dependencies
        withoutNeeds = scenario.backends.withoutNeeds.nanoseconds
        ofRegions = table.regions.map { _ in nil }
        liesOfRegions = table.regions.map { _ in nil }
        ofCells = table.services.map { $0.cells.map { _ in nil } }
        liesOfCells = table.services.map { $0.cells.map { _ in nil } }
        ailing = table.services.map { $0.cells.map { _ in nil } }
        ofDependencies = dependencies.map { _ in scenario.table.regions.map { _ in nil } }
    }

    /// Puts a fault, or none, on all that a scope is about; smaller things in it keep their own.
    mutating func set(_ fault: Fault?, on scope: Happening.Scope, _ backends: inout [Backend]) {
        if let address = scope.address {
            for number in backends.indices where fits(backends[number], scope, address) {
                backends[number].ownFault = fault
            }
        } else if scope.service != nil {
            for (service, position) in cells(of: scope) { ofCells[service][position] = fault }
        } else {
            for region in ofRegions.indices where scope.region ?? region == region { ofRegions[region] = fault }
        }
    }

    mutating func set(_ lie: ProbeLie?, on scope: Happening.Scope, _ backends: inout [Backend]) {
        if let address = scope.address {
            for number in backends.indices where fits(backends[number], scope, address) {
                backends[number].ownLie = lie
            }
        } else if scope.service != nil {
            for (service, position) in cells(of: scope) { liesOfCells[service][position] = lie }
        } else {
            for region in liesOfRegions.indices where scope.region ?? region == region { liesOfRegions[region] = lie }
        }
    }

    /// Ends all that ails anything within a scope, and the lies of its probes.
    mutating func heal(_ scope: Happening.Scope, _ backends: inout [Backend]) {
        for number in backends.indices
        where scope.service ?? backends[number].service == backends[number].service
            && scope.region ?? backends[number].region == backends[number].region
            && scope.address ?? backends[number].address == backends[number].address
        {
            backends[number].ownFault = nil
            backends[number].ownLie = nil
        }
        guard scope.address == nil else { return }
        for (service, position) in cells(of: scope) {
            ofCells[service][position] = nil
            liesOfCells[service][position] = nil
        }
        guard scope.service == nil else { return }
        for region in ofRegions.indices where scope.region ?? region == region {
            ofRegions[region] = nil
            liesOfRegions[region] = nil
            for dependency in ofDependencies.indices { ofDependencies[dependency][region] = nil }
        }
    }

    mutating func set(_ fault: Fault?, onDependency index: Int, region: Int, at now: Int64) {
        ofDependencies[index][region] = fault.map { Loss(fault: $0, since: now) }
    }

    private func fits(_ backend: Backend, _ scope: Happening.Scope, _ address: String) -> Bool {
        backend.address == address && scope.service ?? backend.service == backend.service
            && scope.region ?? backend.region == backend.region
    }

    private func cells(of scope: Happening.Scope) -> [(Int, Int)] {
        var found: [(Int, Int)] = []
        for (service, known) in table.services.enumerated() where scope.service ?? service == service {
            for (position, cell) in known.cells.enumerated() where scope.region ?? cell.region == cell.region {
                found.append((service, position))
            }
        }
        return found
    }

    /// Brings each backend up to date with all that ails it.
    ///
    /// - Returns: when it is to be asked again, because something will reach those that depend on it by then.
    mutating func reach(_ backends: inout [Backend], at now: Int64) -> Int64? {
        for number in backends.indices { meets(&backends[number]) }
        noteAiling(backends, at: now)
        var next: Int64?
        for number in backends.indices where backends[number].fault == nil && backends[number].isMember {
            for (loss, after) in losses(of: backends[number]) {
                if now >= loss.since + after {
                    backends[number].fault = loss.fault
                } else {
                    next = min(next ?? .max, loss.since + after)
                }
            }
        }
        return next
    }

    /// What ails a backend itself, its cell or its region.
    func meets(_ backend: inout Backend) {
        backend.fault = backend.ownFault ?? ofCells[backend.service][backend.cell] ?? ofRegions[backend.region]
        backend.lie = backend.ownLie ?? liesOfCells[backend.service][backend.cell] ?? liesOfRegions[backend.region]
    }

    /// Cells all of whose backends ail by themselves.
    private mutating func noteAiling(_ backends: [Backend], at now: Int64) {
        for (service, known) in table.services.enumerated() {
            for position in known.cells.indices {
                let members = backends.filter { $0.service == service && $0.cell == position && $0.isMember }
                let fault = members.first?.fault
                if let fault, members.allSatisfy({ $0.fault != nil }) {
                    ailing[service][position] = Loss(fault: fault, since: ailing[service][position]?.since ?? now)
                } else {
                    ailing[service][position] = nil
                }
            }
        }
    }

    /// What a backend's service misses in its region, and how long it goes on without.
    private func losses(of backend: Backend) -> [(loss: Loss, after: Int64)] {
        var losses: [(loss: Loss, after: Int64)] = []
        for (index, dependency) in dependencies.enumerated() {
            guard let loss = ofDependencies[index][backend.region] else { continue }
            for user in dependency.users where user.service == backend.service {
                losses.append((loss, user.after.nanoseconds))
            }
        }
        for need in closure(of: backend.service) {
            guard let position = table.services[need].cells.firstIndex(where: { $0.region == backend.region }),
                let loss = ailing[need][position]
            else { continue }
            losses.append((loss, withoutNeeds))
        }
        return losses
    }

    /// All that a service needs, also through others.
    private func closure(of service: Int) -> [Int] {
        var found: [Int] = []
        var waiting = table.services[service].needs
        while let next = waiting.popLast() {
            if next == service || found.contains(next) { continue }
            found.append(next)
            waiting += table.services[next].needs
        }
        return found
    }
}
