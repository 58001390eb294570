internal import Reactor
internal import Wire

/// A client's connection before it is known who the client is and what it speaks. Once that is known, another
/// connection takes over: of HTTP/1, of HTTP/2, or a tunnel's.
///
/// Its steps, each only where the listener has it: the PROXY protocol's header, of trusted proxies; the ClientHello, read
/// and kept; the TLS handshake. A listener without any of them needs no arrival.
final class Arrival: Connection, Client, TimerOwner {
    private let listener: WorkerListener
    private let peer: SocketAddress
    private var timer: TimerWheel.Handle?
    /// Bytes received that belong to what follows.
    private var held: [UInt8] = []
    var place = 0

    init(worker: Worker, listener: WorkerListener, socket: consuming Socket, peer: SocketAddress) {
        self.listener = listener
        self.peer = peer
        super.init(worker: worker, socket: socket)
        guard watch() else { return }
        listener.connectionOpened()
        timer = worker.timers.add(self)
        if let timer { worker.arm(timer, at: worker.loop.now + listener.headTimeout) }
        worker.clients.insert(self)
    }

    /// An HTTP/1 connection goes on from here. The listener's count of connections goes with it.
    private func becomeHTTP1() {
        leave()
        ClientConnection(takingOver: self, listener: listener, client: listener.context(for: peer), held: held).resume()
    }

    private func leave() {
        if let timer { worker.timers.remove(timer) }
        timer = nil
        worker.clients.remove(self)
    }

    override func ready(_ readiness: Readiness) {
        if readiness.isReadableOrEnded { becomeHTTP1() }
    }

    /// What was to come first did not come in time.
    func deadlineReached() {
        close()
    }

    func drainStarted() {
        close()
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
