internal import NIOCore
internal import Synchronization

/// The connections of the admin address, of which there are few: whoever holds one without use gives it up.
///
/// A connection counts as used whenever a piece of an answer has been taken by its client. So whoever sends a head or a body
/// in drops, does not read, or says nothing is told from one who is served, whatever it is that he does.
final class AdminPlaces: Sendable {
    private struct Place {
        let channel: any Channel
        var usedAt: NIODeadline
    }

    private let places = Mutex<[ObjectIdentifier: Place]>([:])
    /// Beyond it the one that has not been used for longest gives way, so that somebody who asks now always gets in.
    private let limit: Int
    let patience: TimeAmount

    init(limit: Int, patience: TimeAmount) {
        self.limit = max(1, limit)
        self.patience = patience
    }

    func enter(_ id: ObjectIdentifier, _ channel: any Channel) {
        let leaving: (any Channel)? = places.withLock { places in
            places[id] = Place(channel: channel, usedAt: .now())
            guard places.count > limit, let oldest = places.min(by: { $0.value.usedAt < $1.value.usedAt }) else {
                return nil
            }
            // It is let go of now: closing takes a moment, and more may come meanwhile.
            places[oldest.key] = nil
            return oldest.value.channel
        }
        leaving?.close(promise: nil)
    }

    func use(_ id: ObjectIdentifier) {
        places.withLock { $0[id]?.usedAt = .now() }
    }

    func leave(_ id: ObjectIdentifier) {
        places.withLock { $0[id] = nil }
    }
}

/// Ends a connection whose client has taken no piece of an answer for a while.
final class AdminPlaceHandler: ChannelDuplexHandler, RemovableChannelHandler {
    // It looks into nothing that passes.
    typealias InboundIn = Never
    typealias OutboundIn = Never

    private let places: AdminPlaces
    /// By which the place is known.
    private var id: ObjectIdentifier { ObjectIdentifier(self) }
    private var usedAt = NIODeadline.now()
    private var timer: Scheduled<Void>?

    /// When the router ends, so long is left to what is under way here.
    private static let farewell = TimeAmount.milliseconds(200)

    init(places: AdminPlaces) {
        self.places = places
    }

    func handlerAdded(context: ChannelHandlerContext) {
        places.enter(id, context.channel)
        wait(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let promise = promise ?? context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess { [self] in
            usedAt = .now()
            places.use(id)
        }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            timer?.cancel()
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.farewell) { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func wait(_ context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: usedAt + places.patience) { [self] in
            if NIODeadline.now() >= usedAt + places.patience {
                context.close(promise: nil)
            } else {
                wait(context)
            }
        }
    }

    private func end() {
        timer?.cancel()
        timer = nil
        places.leave(id)
    }
}

@available(*, unavailable)
extension AdminPlaceHandler: Sendable {}
