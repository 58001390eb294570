internal import Foundation
internal import Logging
internal import Names
internal import Reactor
internal import RouteTable

/// Names of endpoints: asked for beside everything else, so that nothing waits for an answer.
extension Control {
    /// A router is not called ready before this, unless all its names have been asked for.
    static let firstAnswersTime: Int64 = 2_000_000_000
    /// Answers that come in a row are taken on together, and what is published takes a tenth of the time at most.
    private static let publishPause: Int64 = 100_000_000
    private static let publishShare: Int64 = 10
    /// Between two times that what is known is written to the state directory.
    private static let keepPause: Int64 = 5_000_000_000

    /// Asks for the names whose time has come, each by itself.
    func askForNames() {
        for question in discovery.takeDue(now: EventLoop.clock()) {
            Task {
                let answer = await resolver.resolve(question.host, question.families, isSlow: question.isSlow)
                self.takeIn(answer, to: question)
            }
        }
    }

    private func takeIn(_ answer: Result<NameAnswer, NameFailure>, to question: Discovery.Question) {
        let host = question.host
        let outcome = discovery.answered(question, answer, now: EventLoop.clock())
        let addresses = discovery.addresses(of: host)
        if let failure = outcome.failure {
            let kept = addresses.isEmpty ? "no address is known" : "the last known addresses stay"
            logger.warning("\(host) could not be resolved (\(failure)); \(kept)")
        }
        if outcome.hasChanged {
            let shown = addresses.prefix(20).joined(separator: ", ")
            let more = addresses.count > 20 ? " and \(addresses.count - 20) more" : ""
            logger.notice("\(host) is \(shown)\(more)")
        } else if outcome.hasRecovered {
            logger.notice("\(host) is resolved again, to the same addresses")
        }
        if outcome.hasChanged || outcome.isFirst {
            haveAddressesChanged = true
            inbox.tick()
        }
    }

    /// Has other addresses used, if there are some, and asks for more. Called at every look.
    func lookAtNames() {
        askForNames()
        let now = EventLoop.clock()
        if haveAddressesChanged {
            let pause = discovery.isAsking ? max(Self.publishPause, publishingTook * Self.publishShare) : 0
            guard now - publishedAt >= pause else { return }
            haveAddressesChanged = false
            publish(sockets: [])
            haveAddressesToKeep = true
        }
        if now - addressesKeptAt >= Self.keepPause { keepAddresses() }
    }

    /// Writes what is known to the state directory, if that is news.
    func keepAddresses() {
        guard haveAddressesToKeep else { return }
        haveAddressesToKeep = false
        addressesKeptAt = EventLoop.clock()
        stateWriter.keep(discovery.known)
    }
}
