internal import Reactor
internal import RouteTable
internal import Telemetry
internal import Wire

/// A client's connection before it is known who the client is and what it speaks. Once that is known, another
/// connection takes over: of HTTP/1, of HTTP/2, or a tunnel's.
///
/// Its steps, each only where the listener has it: the PROXY protocol's header, of trusted proxies; the ClientHello, read
/// and kept; the TLS handshake. A listener without any of them needs no arrival.
final class Arrival: Connection, Client, TimerOwner {
    /// What the bytes so far have come to.
    private enum Progress {
        /// More must come.
        case incomplete
        case refused(StaticString)
        /// It is known who goes on, with what is held.
        case complete
    }

    private let listener: WorkerListener
    private var client: ClientContext
    private var awaitsProxyHeader: Bool
    private var timer: TimerWheel.Handle?
    /// Bytes received that cannot be understood yet, or that belong to what follows.
    private var held: [UInt8] = []
    var place = 0

    init(
        worker: Worker, listener: WorkerListener, socket: consuming Socket, peer: SocketAddress, hasProxyHeader: Bool
    ) {
        self.listener = listener
        client = listener.context(for: peer, on: socket)
        awaitsProxyHeader = hasProxyHeader
        super.init(worker: worker, socket: socket)
        guard watch() else { return }
        readLimit = Self.smallRead
        listener.connectionOpened()
        timer = worker.timers.add(self)
        if let timer { worker.arm(timer, at: worker.loop.now + listener.headTimeout) }
        worker.clients.insert(self)
    }

    override func ready(_ readiness: Readiness) {
        guard isOpen, readiness.isReadableOrEnded else { return }
        hasUnread = true
        read(untilEnd: readiness.isEnded)
    }

    private func read(untilEnd: Bool) {
        while hasUnread && isOpen {
            let kept = held.count
            if kept > 0 { held.withBytes { worker.receiveBuffer.fill($0) } }
            switch receive(after: kept) {
            case .bytes(let count):
                if !untilEnd && count < readLimit { hasUnread = false }
                listener.countReceived(count)
                held.removeAll(keepingCapacity: true)
                switch worker.receiveBuffer.withBytes(kept + count, { consume($0) }) {
                case .incomplete: break
                case .refused(let reason): refuse(reason)
                case .complete: handOver()
                }
            case .wouldBlock: hasUnread = false
            case .endOfStream, .failed: close()
            }
        }
    }

    /// Goes as far as the bytes allow; what is left of them is held.
    private func consume(_ bytes: RawSpan) -> Progress {
        var offset = 0
        if awaitsProxyHeader {
            do {
                switch try ProxyHeader.parse(bytes) {
                case .incomplete: return hold(bytes, from: 0, .incomplete)
                case .complete(let header, let count):
                    awaitsProxyHeader = false
                    offset = count
                    if let proxied = header.client { client = listener.context(for: proxied) }
                }
            } catch {
                return .refused(error.reason)
            }
        }
        guard listener.transport == .tlsPassthrough else { return hold(bytes, from: offset, .complete) }
        do {
            switch try worker.clientHello.read(bytes.extracting(offset..<bytes.byteCount)) {
            case .incomplete: return hold(bytes, from: offset, .incomplete)
            case .complete: return hold(bytes, from: offset, .complete)
            }
        } catch {
            return .refused(error.reason)
        }
    }

    private func hold(_ bytes: RawSpan, from offset: Int, _ progress: Progress) -> Progress {
        held.append(contentsOf: bytes.extracting(offset..<bytes.byteCount))
        return progress
    }

    /// Whoever goes on takes the listener's count of connections along.
    private func handOver() {
        leave()
        switch listener.transport {
        case .http: ClientConnection(takingOver: self, listener: listener, client: client, held: held).resume()
        case .tcp: TunnelClient(takingOver: self, listener: listener, client: client).begin(said: held)
        case .tlsPassthrough:
            TunnelClient(takingOver: self, listener: listener, client: client).begin(said: held, isHello: true)
        }
    }

    private func leave() {
        if let timer { worker.timers.remove(timer) }
        timer = nil
        worker.clients.remove(self)
    }

    /// What came first is not what was to come.
    private func refuse(_ reason: StaticString) {
        listener.counters.refused.add()
        if listener.isLogged {
            Exchange(worker: worker, listener: listener, client: client).recordRefusal(status: 0, reason)
        }
        close()
    }

    /// What was to come first did not come in time.
    func deadlineReached() {
        guard isOpen else { return }
        refuse("head-timeout")
    }

    func drainStarted() {
        if held.isEmpty { close() }
    }

    private func close() {
        guard isOpen else { return }
        leave()
        held = []
        closeSocket()
        listener.connectionClosed()
        worker.clientLeft()
    }
}
