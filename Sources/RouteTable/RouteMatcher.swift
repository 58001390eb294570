/// Finds the route of a request: a table's routes, compiled.
///
/// Of all routes whose conditions hold, the one that comes first in this order is taken:
/// 1. an exact host, then the wildcard host with the most letters, then no host;
/// 2. an exact path, then the longest path prefix, then a path pattern (in order of appearance), then no path or the
///    prefix `/`, which says nothing;
/// 3. the number of its other conditions (listener, methods, protocols, each header), more first;
/// 4. order of appearance in the table.
///
/// Where the work goes: a look-up in a hash table for the host, for each wildcard the host could be, and for each
/// segment of the path as deep as the table goes; then the few routes that share host and path. Routes told apart by
/// listener or by the value of a header are found by look-ups too. Path patterns are tried one after another. So the
/// time does not depend on the number of routes, patterns excepted.
///
/// Nothing in it changes after `init`, and matching neither allocates nor counts references. All the same, build one
/// for each worker: what a core reads should lie in memory that is its own.
package final class RouteMatcher: Sendable {
    /// Says whether the request has a field of this name (in lower case; field names ignore case) for whose value the
    /// second argument holds. It is asked only when a route that fits otherwise has conditions on headers. Values are
    /// without white space around them; a field with several lines has several values.
    package typealias FieldLookup = (_ name: RawSpan, _ matches: (_ value: RawSpan) -> Bool) -> Bool

    /// Not copyable, so that reading it through the class never copies it, reference by reference.
    private let routes: CompiledRoutes

    /// Compiles a table, in time about linear in its routes.
    ///
    /// The table must be one without mistakes, as files are read into: a malformed path pattern traps.
    package init(_ table: Table) {
        routes = RouteCompiler(table).compile()
    }

    /// The most specific route whose conditions all hold, as an index into `Table.routes`, or nil.
    /// - Parameters:
    ///   - listener: index into `Table.listeners`.
    ///   - host: the host asked for without a port, in any case; empty when there is none.
    ///   - path: the path as sent, without the query; neither decoded nor normalized.
    ///   - method: the method as sent; methods are case-sensitive.
    ///   - fields: looks at the request's fields (see `FieldLookup`).
    package func match(
        listener: Int, host: RawSpan, path: RawSpan, method: RawSpan, fields: FieldLookup
    ) -> Int? {
        routes.match(listener: listener, host: host, path: path, method: method, fields: fields)
    }

    /// The route of a connection that is passed on as it comes: of those that name its listener, which alone are for
    /// tunnels, the most specific one whose conditions hold, as an index into `Table.routes`, or nil.
    /// - Parameters:
    ///   - listener: index into `Table.listeners`, of one whose transport is a tunnel.
    ///   - serverName: the name the client asked for, in any case; empty when there is none.
    ///   - protocols: looks at the protocols the client offers, as if they were values of a field without a name. It is
    ///     asked only when a route that fits otherwise has a condition on them.
    package func matchTunnel(listener: Int, serverName: RawSpan, protocols: FieldLookup) -> Int? {
        routes.matchTunnel(listener: listener, serverName: serverName, protocols: protocols)
    }
}
