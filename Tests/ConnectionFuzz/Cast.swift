import CLinux
import CPeers

/// Whoever plays opposite the router's code: the peers of a script, in both kinds of scenes.
final class Cast {
    /// How an endpoint at a place speaks, and whose it is.
    struct Role {
        let service: Int
        var isSecure = false
        var isHTTP2 = false
        /// It answers by itself, correctly, whatever the script says.
        var isClean = false
    }

    private var peers: [Peer] = []
    /// Their names have others now.
    private var former: [Peer] = []
    private var seenLinks = 0
    /// By service: what each request of it is answered with.
    private var answers: [Int: [UInt8]] = [:]
    private let secret: String

    init(secret: String) { self.secret = secret }

    /// What they do by themselves, and with whom the router has come to speak since the last look.
    func attend(_ budget: inout Int, role: (UInt16) -> Role, clean: (Int32, Bool) -> Void) {
        while seenLinks < Int(fake_link_count()) {
            let link = Int32(seenLinks)
            seenLinks += 1
            let look = fake_look(link).pointee
            guard look.is_endpoint != 0 else { continue }
            let role = role(look.place)
            if role.isClean {
                tell("the router comes to the clean endpoint \(look.place)")
                clean(link, role.isSecure)
                continue
            }
            adopt(link, role)
        }
        for peer in peers { peer.attend(&budget) }
    }

    private func adopt(_ link: Int32, _ role: Role) {
        let index = peers.count { if case .endpoint(let i) = $0.actor { $0.link >= 0 && i >= 0 } else { false } }
        tell("the router comes to \(World.address(fake_look(link).pointee.place)), e\(index)")
        let peer = peer(.endpoint(index))
        peer.service = role.service
        peer.answer = answers[role.service]
        peer.connect(link, tls: role.isSecure ? unsafe cpeers_create(1, 0) : nil, isHTTP2: role.isHTTP2)
    }

    func peer(_ actor: Actor) -> Peer {
        if let known = peers.first(where: { $0.actor == actor }) { return known }
        let made = Peer(actor, secret: secret)
        peers.append(made)
        return made
    }

    /// A client with this name: whoever had it before has gone.
    func newClient(_ actor: Actor) -> Peer {
        if let known = peers.firstIndex(where: { $0.actor == actor }) {
            var none = 0
            peers[known].leave(&none)
            former.append(peers.remove(at: known))
        }
        return peer(actor)
    }

    /// A line of a peer. Returns whoever it is of.
    func act(_ line: Line, _ budget: inout Int) -> Peer? {
        guard let actor = line.actor else { return nil }
        let peer = peer(actor)
        peer.act(line, &budget)
        return peer
    }

    /// Requests of a service are answered so from now on.
    func serve(_ service: Int, _ answer: [UInt8]) {
        answers[service] = answer
        for peer in peers where peer.link >= 0 && peer.service == service { peer.answer = answer }
    }

    /// How many requests the endpoint at a place was sent, as far as is known; nil: it may have missed some.
    func requests(at place: UInt16) -> Int? {
        var sum = 0
        for peer in peers where peer.link >= 0 {
            let look = fake_look(peer.link).pointee
            guard look.is_endpoint != 0, look.place == place else { continue }
            if peer.hasMissed { return nil }
            sum += peer.asked.total
        }
        return sum
    }

    func leave(_ budget: inout Int) {
        for peer in peers + former { peer.leave(&budget) }
    }
}
