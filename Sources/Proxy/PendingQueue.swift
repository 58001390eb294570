/// Exchanges that wait for a connection, oldest first. Its bound is the service's `pending` limit.
struct PendingQueue {
    private var waiting: [Exchange?] = []
    private var head = 0
    private(set) var count = 0

    mutating func append(_ exchange: Exchange) {
        waiting.append(exchange)
        count += 1
    }

    mutating func popFirst() -> Exchange? {
        while head < waiting.count {
            let exchange = waiting[head]
            waiting[head] = nil
            head += 1
            if let exchange {
                count -= 1
                if head == waiting.count { clear() }
                return exchange
            }
        }
        clear()
        return nil
    }

    mutating func remove(_ exchange: Exchange) {
        guard let index = waiting.firstIndex(where: { $0 === exchange }) else { return }
        waiting[index] = nil
        count -= 1
        if count == 0 { clear() }
    }

    private mutating func clear() {
        waiting.removeAll(keepingCapacity: count == 0 && waiting.capacity <= 64)
        head = 0
    }
}
