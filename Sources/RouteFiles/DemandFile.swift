internal import RouteTable

/// How much is asked of services, as a file says it: `checkout: 250`, requests per second.
package enum DemandFile {
    package struct Entry: Sendable, Equatable {
        package let service: String
        /// Thousandths of a request per second.
        package let perSecond: Int
    }

    /// Reads a file, all of it, or every mistake in it.
    ///
    /// - Parameter services: those there are.
    package static func read(path: String, services: [String]) -> Result<[Entry], Problems> {
        switch TableFiles.texts(of: [path]) {
        case .failure(let problems): .failure(problems)
        case .success(let texts): read(text: texts.first?.text ?? "", name: path, services: services)
        }
    }

    static func read(text: String, name: String, services: [String]) -> Result<[Entry], Problems> {
        var tree = SourceTree(environment: Environment(variables: [:]))
        let root = tree.read(text, file: name)
        var reading = Reading(files: [name])
        var entries: [Entry] = []
        if let root {
            if let members = root.entries {
                for member in members { read(member, services, &reading, &entries) }
            } else {
                reading.report(root, expected: "services with requests per second, such as `checkout: 250`")
            }
        }
        let problems = tree.problems + reading.problems
        return problems.isEmpty ? .success(entries) : .failure(Problems(problems))
    }

    private static func read(
        _ member: SourceEntry, _ services: [String], _ reading: inout Reading, _ entries: inout [Entry]
    ) {
        guard services.contains(member.key) else {
            return reading.report(
                member.position, "unknown service \(member.key.quotedForPeople)",
                expected: "one of the services of the table",
                suggestion: NearName.of(member.key, among: services))
        }
        reading.at(member.key) { reading in
            guard let text = member.value.text, let rate = NumberText.thousandths(text), rate <= limit else {
                return reading.report(
                    member.value, expected: "requests per second, from 0 to \(limit / 1_000), such as 250 or 0.5")
            }
            entries.append(Entry(service: member.key, perSecond: rate))
        }
    }

    private static let limit = 1_000_000_000_000
}
