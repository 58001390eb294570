/// What must hold in every world, whatever happens in it.
package enum Law: String, Sendable, CaseIterable {
    case sharesAddUp = "shares-add-up"
    case leastImportantFirst = "least-important-first"
    case withinCapacity = "within-capacity"
    case fewReturns = "few-returns"
    case velocityLimited = "velocity-limited"
    case lastEndpointStays = "last-endpoint-stays"
    case innocentStay = "innocent-stay"
    case lateIsNotDown = "late-is-not-down"
    case newMustShow = "new-must-show"
    case stepsAreVerified = "steps-are-verified"
    case deadIsLeft = "dead-is-left"
    case deadIsTriedLess = "dead-is-tried-less"
    case attemptsAreBounded = "attempts-are-bounded"
    case decisionsHaveEvidence = "decisions-have-evidence"
    case replaysEqual = "replays-equal"
    case convergesWhenHealed = "converges-when-healed"

    /// What it says.
    package var sentence: String {
        switch self {
        case .sharesAddUp: "Shares and what is shed add up to the whole; none is negative."
        case .leastImportantFirst:
            "Nothing is shed of a service while a less important one has what it could have had."
        case .withinCapacity: "No region is planned to have more than its usable capacity, unless a service fails open."
        case .fewReturns: "What has flapped too much stays away as long as damping (RFC 2439) says."
        case .velocityLimited:
            "Probes alone take no more than their part of a region out of use in a window, while requests succeed."
        case .lastEndpointStays: "Probes alone never take a cell's last endpoint while its requests succeed."
        case .innocentStay: "What has done nothing wrong is neither taken out of use nor left."
        case .lateIsNotDown:
            "A prober that lags or stands still, a router that stood still, or an own network that was cut, takes nothing out."
        case .newMustShow: "What is new gets no requests before its probes have passed, and counts for nothing."
        case .stepsAreVerified: "No step of a way back is followed by another while the step's requests fail."
        case .deadIsLeft: "What is dead is left within seconds, when there is somewhere well to go."
        case .deadIsTriedLess: "What only requests can show is out again once some requests of its trial have failed."
        case .attemptsAreBounded: "Retries and hedges stay within their budget."
        case .decisionsHaveEvidence: "Every decision names its evidence, and they are counted without a gap."
        case .replaysEqual: "The same events give the same decisions; the same seed gives the same world."
        case .convergesWhenHealed: "When all faults are gone, traffic comes back to where it belongs, and stays."
        }
    }
}
