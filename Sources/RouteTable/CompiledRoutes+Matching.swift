extension CompiledRoutes {
    typealias FieldLookup = RouteMatcher.FieldLookup

    /// See `RouteMatcher.match`.
    func match(listener: Int, host: RawSpan, path: RawSpan, method: RawSpan, fields: FieldLookup) -> Int? {
        let common = find(realms[0], host: host, path: path, method: method, fields: fields)
        guard listener &+ 1 < realms.count, realms[listener &+ 1].isUsed else {
            return common < 0 ? nil : Int(candidates[Int(common)].route)
        }
        let own = find(realms[listener &+ 1], host: host, path: path, method: method, fields: fields)
        if own < 0 { return common < 0 ? nil : Int(candidates[Int(common)].route) }
        if common < 0 { return Int(candidates[Int(own)].route) }
        let best = candidates[Int(own)].rank < candidates[Int(common)].rank ? own : common
        return Int(candidates[Int(best)].route)
    }

    /// See `RouteMatcher.matchTunnel`.
    func matchTunnel(listener: Int, serverName: RawSpan, protocols: FieldLookup) -> Int? {
        guard listener &+ 1 < realms.count, realms[listener &+ 1].isUsed else { return nil }
        let nothing = RawSpan()
        let found = find(
            realms[listener &+ 1], host: serverName, path: nothing, method: nothing, fields: protocols)
        return found < 0 ? nil : Int(candidates[Int(found)].route)
    }

    // Each of these gives the number of the best candidate, or -1.

    @inline(__always)
    private func find(_ realm: Realm, host: RawSpan, path: RawSpan, method: RawSpan, fields: FieldLookup) -> Int32 {
        var end = host.byteCount
        if end > 0, host.unsafeByte(at: end &- 1) == UInt8(ascii: ".") { end &-= 1 }
        if end > 0, end <= Int(realm.hostLimit) {
            let arena = arena.span
            // Bytes have no padding to look into; so wherever the arena is read.
            let exact = names.find(
                host, from: 0, to: end, owner: realm.exactHosts, arena: unsafe arena.bytes, ignoringCase: true)
            if exact >= 0 {
                let found = find(hosts[Int(exact)], path: path, method: method, fields: fields)
                if found >= 0 { return found }
            }
        }
        if end > 0, realm.wildcardLimit > 0 {
            let found = findWildcard(realm, host: host, end, path: path, method: method, fields: fields)
            if found >= 0 { return found }
        }
        if realm.anyHost < 0 { return -1 }
        return find(hosts[Int(realm.anyHost)], path: path, method: method, fields: fields)
    }

    private func findWildcard(
        _ realm: Realm, host: RawSpan, _ end: Int, path: RawSpan, method: RawSpan, fields: FieldLookup
    ) -> Int32 {
        let arena = arena.span
        // A wildcard stands for one label at least, and only names as long as the table's longest are worth a look.
        for dot in max(1, end &- 1 &- Int(realm.wildcardLimit))..<max(1, end) {
            if host.unsafeByte(at: dot) != UInt8(ascii: ".") { continue }
            let wildcard = names.find(
                host, from: dot &+ 1, to: end, owner: realm.wildcardHosts, arena: unsafe arena.bytes, ignoringCase: true
            )
            if wildcard >= 0 {
                let found = find(hosts[Int(wildcard)], path: path, method: method, fields: fields)
                if found >= 0 { return found }
            }
        }
        return -1
    }

    private func find(_ host: HostRoutes, path: RawSpan, method: RawSpan, fields: FieldLookup) -> Int32 {
        if host.root >= 0 {
            let found = findByPath(host.root, path: path, method: method, fields: fields)
            if found >= 0 { return found }
        }
        for pattern in Int(host.firstPattern)..<Int(host.firstPattern &+ host.patternCount) {
            let routes = patterns[pattern]
            let words = patternWords.span, classes = patternClasses.span
            if automata[Int(routes.pattern)].matches(path, words: words, classes: classes) {
                let found = find(group: routes.group, method: method, fields: fields)
                if found >= 0 { return found }
            }
        }
        return find(group: host.anyPath, method: method, fields: fields)
    }

    /// Walks down the tree of segments as far as the path goes along, then up again from the longest prefix.
    private func findByPath(_ root: Int32, path: RawSpan, method: RawSpan, fields: FieldLookup) -> Int32 {
        let arena = arena.span
        let nodes = nodes.span
        let length = path.byteCount
        var node = root
        var offset = 0
        while offset < length, path.unsafeByte(at: offset) == UInt8(ascii: "/"), nodes[Int(node)].hasChildren {
            var end = offset &+ 1
            while end < length, path.unsafeByte(at: end) != UInt8(ascii: "/") { end &+= 1 }
            let child = names.find(path, from: offset &+ 1, to: end, owner: node, arena: unsafe arena.bytes)
            if child < 0 { break }
            node = child
            offset = end
        }
        if node == root { return -1 }
        // What follows the node in the path begins with `/`, unless the path ends here.
        var goesOn = offset < length
        if !goesOn {
            let found = find(group: nodes[Int(node)].exact, method: method, fields: fields)
            if found >= 0 { return found }
        }
        while node != root {
            let place = nodes[Int(node)]
            if goesOn {
                let found = find(group: place.prefixWithSlash, method: method, fields: fields)
                if found >= 0 { return found }
            }
            let found = find(group: place.prefix, method: method, fields: fields)
            if found >= 0 { return found }
            node = place.parent
            goesOn = true
        }
        return -1
    }

    /// The best of the routes that share host and path.
    @inline(__always)
    private func find(group number: Int32, method: RawSpan, fields: FieldLookup) -> Int32 {
        if number < 0 { return -1 }
        let group = groups[Int(number)]
        if group.headerKeyCount == 0, candidates[Int(group.first)].isUnconditional { return group.first }
        return findAmongConditional(group, method: method, fields: fields)
    }

    private func findAmongConditional(_ group: RouteGroup, method: RawSpan, fields: FieldLookup) -> Int32 {
        var best = findFirst(group.first, group.count, method: method, fields: fields)
        for key in Int(group.firstHeaderKey)..<Int(group.firstHeaderKey &+ group.headerKeyCount) {
            var last: Int32 = -1
            while true {
                // A field with several lines may lead to several groups: one after another, by number.
                let (bucket, isLast) = nextBucket(headerKeys[key], after: last, fields: fields)
                if bucket < 0 { break }
                let routes = groups[Int(bucket)]
                let found = findFirst(routes.first, routes.count, method: method, fields: fields)
                if found >= 0, best < 0 || candidates[Int(found)].rank < candidates[Int(best)].rank { best = found }
                if isLast { break }
                last = bucket
            }
        }
        return best
    }

    /// The lowest-numbered group after `last` that a value of a header leads to, or -1; and whether it is the only one.
    private func nextBucket(_ key: HeaderKey, after last: Int32, fields: FieldLookup) -> (bucket: Int32, isLast: Bool) {
        let arena = arena.span
        var next = Int32.max
        var count = 0
        _ = fields(unsafe arena.bytes.extracting(key.name.offsets)) { value in
            let bucket = names.find(value, from: 0, to: value.byteCount, owner: key.owner, arena: unsafe arena.bytes)
            if bucket > last {
                count &+= 1
                next = min(next, bucket)
            }
            return false
        }
        return (count == 0 ? -1 : next, count <= 1)
    }

    /// The first of some candidates, which are in order of rank, whose conditions hold.
    private func findFirst(_ first: Int32, _ count: Int32, method: RawSpan, fields: FieldLookup) -> Int32 {
        for number in first..<(first &+ count) where holds(candidates[Int(number)], method: method, fields: fields) {
            return number
        }
        return -1
    }

    private func holds(_ candidate: Candidate, method: RawSpan, fields: FieldLookup) -> Bool {
        let arena = arena.span
        if candidate.methodCount > 0 {
            let range = Int(candidate.firstMethod)..<Int(candidate.firstMethod &+ candidate.methodCount)
            guard
                range.contains(where: {
                    ByteHash.isEqual(
                        method, from: 0, to: method.byteCount, unsafe arena.bytes, methods[$0], ignoringCase: false)
                })
            else { return false }
        }
        for number in Int(candidate.firstCondition)..<Int(candidate.firstCondition &+ candidate.conditionCount) {
            let condition = conditions[number]
            let isThere = fields(unsafe arena.bytes.extracting(condition.name.offsets)) { value in
                !condition.hasValue
                    || ByteHash.isEqual(
                        value, from: 0, to: value.byteCount, unsafe arena.bytes, condition.value, ignoringCase: false)
            }
            if !isThere { return false }
        }
        if candidate.protocolCount > 0 {
            let range = Int(candidate.firstProtocol)..<Int(candidate.firstProtocol &+ candidate.protocolCount)
            let isOffered = fields(RawSpan()) { offered in
                range.contains(where: {
                    ByteHash.isEqual(
                        offered, from: 0, to: offered.byteCount, unsafe arena.bytes, protocols[$0], ignoringCase: false)
                })
            }
            if !isOffered { return false }
        }
        return true
    }
}
