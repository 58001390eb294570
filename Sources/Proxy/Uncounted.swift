/// A reference that does not keep its object alive, and costs nothing to copy.
///
/// Counting references is most of what a proxied request would otherwise spend in this process, so what a request
/// refers to is not counted but kept by something that outlives it (docs/decisions/0006):
/// - connections by the event loop, which keeps what leaves it until the end of the turn;
/// - an exchange by its client's connection;
/// - routes, services, cells and endpoints by their table, which the worker keeps while an exchange uses it.
@safe struct Uncounted<Object: AnyObject> {
    private let reference: Unmanaged<Object>

    @inline(__always)
    init(_ object: Object) {
        unsafe reference = .passUnretained(object)
    }

    /// Lends the object for the time of `body`.
    @inline(__always)
    func lend<R>(_ body: (Object) throws -> R) rethrows -> R {
        try unsafe reference._withUnsafeGuaranteedRef(body)
    }

    /// The object, counted: where nothing is in a hurry.
    var counted: Object { unsafe reference.takeUnretainedValue() }

    @inline(__always)
    func isSame(as object: Object) -> Bool {
        unsafe reference.toOpaque() == Unmanaged.passUnretained(object).toOpaque()
    }
}
