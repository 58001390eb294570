/// How a service's traffic is shared among its cells: arithmetic only.
enum Plan {
    struct Offer: Sendable, Equatable {
        /// The most it may have.
        var allowed: Int
        /// Weight that counts, of all weight.
        var healthyShare: Int
        /// Its endpoints are out by probes only: no request has failed there lately.
        var isSilent: Bool

        init(allowed: Int, healthyShare: Int, isSilent: Bool) {
            self.allowed = allowed
            self.healthyShare = healthyShare
            self.isSilent = isSilent
        }
    }

    /// Shares in ten-thousandths, which add up to 10,000 if there is any cell, and whether nothing is allowed anywhere.
    ///
    /// Cells are filled in order, each up to what it may have. What fits nowhere goes to those that may have some, in
    /// proportion: better too much than nothing. When none may have any, the service fails open.
    static func split(_ offers: [Offer], held: [Int]) -> (shares: [Int], failsOpen: Bool) {
        var shares = [Int](repeating: 0, count: offers.count)
        guard !offers.isEmpty else { return (shares, false) }
        var left = whole
        for (index, offer) in offers.enumerated() {
            shares[index] = min(left, offer.allowed)
            left -= shares[index]
        }
        let allowed = whole - left
        guard allowed > 0 else { return (failOpen(offers, held: held), true) }
        if left > 0 {
            var spread = 0
            for (index, offer) in offers.enumerated() where offer.allowed > 0 {
                let part = left * offer.allowed / allowed
                shares[index] += part
                spread += part
            }
            // What rounding leaves goes to the one that has most.
            let most = shares.indices.max { shares[$0] < shares[$1] } ?? 0
            shares[most] += left - spread
        }
        precondition(shares.reduce(0, +) == whole)
        return (shares, false)
    }

    /// Where traffic goes when it may go nowhere: it stays where it is as long as nothing better is known, else goes
    /// to the first cell with endpoints that count, else to the first that only probes speak against.
    private static func failOpen(_ offers: [Offer], held: [Int]) -> [Int] {
        let isHeldUsable = zip(offers, held).contains { $0.healthyShare > 0 && $1 > 0 }
        let target: Int?
        if isHeldUsable {
            target = nil
        } else if let some = offers.firstIndex(where: { $0.healthyShare > 0 }) {
            target = some
        } else if zip(offers, held).contains(where: { $0.isSilent && $1 > 0 }) {
            target = nil
        } else {
            target = offers.firstIndex { $0.isSilent }
        }
        var shares = [Int](repeating: 0, count: offers.count)
        if let target {
            shares[target] = whole
        } else if held.count == offers.count, held.reduce(0, +) == whole {
            shares = held
        } else {
            shares[0] = whole
        }
        precondition(shares.reduce(0, +) == whole)
        return shares
    }
}
