internal import Failover
internal import RouteTable

/// What truly stands behind an endpoint.
struct Backend {
    let number: Int
    let service: Int
    /// The cell's position in its service, and its region.
    let cell: Int
    let region: Int
    /// With the port; names are resolved.
    let address: String
    let weight: Int
    /// The table, or a name's answer, names it now.
    var isMember = true

    /// What ails it alone.
    var ownFault: Fault?
    var ownLie: ProbeLie?
    /// What ails it, all told: its own faults, its cell's, its region's, those of what it depends on.
    var fault: Fault?
    var lie: ProbeLie?
    var queue: CollapsingQueue
    /// Attempts that hang here, to be answered when it is healed.
    var held: [(request: Int, generation: UInt32, attempt: Int32)] = []

    /// What its requests met since the brain's last look; levels excepted.
    var report: EndpointTraffic
    var isReported = true
    var inFlight = 0
    var overstaying = 0
    /// Ever sent here.
    var sent = 0

    var probe = ProbeRhythm()

    // For the laws
    /// When it last did something wrong, or was about to: failed, was late, or had lying probes.
    var lastGuilt = Int64.min / 2
    /// When its requests last failed or were late.
    var lastRequestGuilt = Int64.min / 2
    var deadSince: Int64?
    var hadFailingProbes = false
    /// Failures in a row, as the brain was last told.
    var toldRun = 0
    /// When it answered well, the latest times in turn.
    private var answers = InlineArray<6, Int64>(repeating: .min)
    private var nextAnswer = 0
    var probePasses = 0
    /// On trial by requests, by how many more failed, or overstay, than were answered.
    var failsInTrial = 0
    /// Since when these have been too many.
    var failsInTrialSince: Int64?
    /// It joined a cell that ran, and has not been in use.
    var isNew = false

    init(
        number: Int, service: Int, cell: Int, region: Int, address: String, weight: Int, capacity: Int?
    ) {
        self.number = number
        self.service = service
        self.cell = cell
        self.region = region
        self.address = address
        self.weight = weight
        queue = CollapsingQueue(capacity: capacity)
        report = EndpointTraffic(endpoint: EndpointID(number))
    }

    mutating func noteAnswer(at now: Int64) {
        answers[nextAnswer] = now
        nextAnswer = (nextAnswer + 1) % answers.count
    }

    /// Six good answers since a moment.
    func hasAnsweredOften(since time: Int64) -> Bool { answers[nextAnswer] >= time }
}

/// When a backend is probed next.
struct ProbeRhythm {
    var pace = ProbePace.normal
    var due: Int64 = 0
    /// Only the latest event put in counts.
    var generation: UInt32 = 0
    var isUnderWay = false
    var wantsAnother = false
    var isAwaited = false
}
