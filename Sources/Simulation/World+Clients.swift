internal import Picking
internal import RouteTable

/// Clients: they ask, wait as long as they have patience, and some ask again.
extension World {
    /// The next request of a load is due. Requests come at random distances of up to twice the mean.
    func arrive(_ load: Int) {
        let rate = rates[load].value(at: now)
        guard rate > 0 else { return queue.put(.arrival(load), at: now + 100_000_000) }
        queue.put(.arrival(load), at: now + 1 + chance.below(2_000_000_000 / Int64(rate)))
        begin(load, earlierTries: 0)
    }

    func begin(_ load: Int, earlierTries: Int) {
        let clients = scenario.loads[load]
        let index = freeRequests.popLast() ?? requests.count
        if index == requests.count { requests.append(Request()) }
        let generation = requests[index].generation &+ 1
        var request = Request()
        request.generation = generation
        request.isActive = true
        request.load = load
        request.service = clients.service
        request.earlierTries = earlierTries
        request.isWrite = chance.hits(clients.writes)
        request.began = now
        requests[index] = request
        count(now, clients.service) { $0.requests += 1 }
        if isDown { return fail(index) }
        forward(index, patience: clients.patience.nanoseconds)
    }

    /// What becomes of a request, told in the second in which it began.
    private func count(_ began: Int64, _ service: Int, _ change: (inout Tally) -> Void) {
        change(&record.seconds[second(of: began)].services[service])
    }

    /// The place of a moment's second, which is made if need be.
    func second(of time: Int64) -> Int {
        let index = Int(time / 1_000_000_000)
        while record.seconds.count <= index {
            let services = table.services.count
            record.seconds.append(
                Second(
                    services: Array(repeating: Tally(), count: services),
                    sent: Array(repeating: 0, count: table.regions.count),
                    latencies: Array(repeating: Latency(), count: services)))
        }
        return index
    }

    // The end of a request

    func answer(_ index: Int) {
        let request = requests[index]
        count(request.began, request.service) { $0.answered += 1 }
        record.seconds[second(of: request.began)].latencies[request.service].add(nanoseconds: now - request.began)
        leave(index)
    }

    func fail(_ index: Int) {
        let request = requests[index]
        count(request.began, request.service) { $0.failed += 1 }
        leave(index)
        comeBack(request, after: scenario.loads[request.load].retryAfter.nanoseconds)
    }

    func shed(_ index: Int, retryAfter seconds: Int) {
        let request = requests[index]
        count(request.began, request.service) { $0.shed += 1 }
        free(index)
        comeBack(request, after: Int64(seconds) * 1_000_000_000)
    }

    private func comeBack(_ request: Request, after pause: Int64) {
        let clients = scenario.loads[request.load]
        guard request.earlierTries < clients.retries else { return }
        let doubled = pause << Int64(min(request.earlierTries, 6))
        queue.put(
            .return(load: request.load, tries: request.earlierTries + 1), at: now + doubled / 2 + chance.below(doubled))
    }

    private func leave(_ index: Int) {
        abandonAttempts(index)
        if requests[index].isAdmitted {
            workers[requests[index].worker].services[requests[index].service].inFlight -= 1
        }
        free(index)
    }

    private func free(_ index: Int) {
        requests[index].isActive = false
        requests[index].generation &+= 1
        freeRequests.append(index)
    }
}
