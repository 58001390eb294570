// How one script becomes another: lines are added, left out, moved and changed as lines, so that most of what comes of it
// still means something.

@_silgen_name("LLVMFuzzerMutate")
private func mutateBytes(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int) -> Int

@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ limit: Int, _ seed: UInt32) -> Int {
    var mutator = unsafe Mutator(UnsafeBufferPointer(start: bytes, count: count), seed: seed)
    for _ in 0..<(1 + mutator.below(3)) { mutator.change() }
    return unsafe mutator.write(to: bytes, limit)
}

@_cdecl("LLVMFuzzerCustomCrossOver")
public func cross(
    _ first: UnsafePointer<UInt8>, _ firstCount: Int, _ second: UnsafePointer<UInt8>, _ secondCount: Int,
    _ out: UnsafeMutablePointer<UInt8>, _ limit: Int, _ seed: UInt32
) -> Int {
    var mutator = unsafe Mutator(UnsafeBufferPointer(start: first, count: firstCount), seed: seed)
    unsafe mutator.take(from: UnsafeBufferPointer(start: second, count: secondCount))
    return unsafe mutator.write(to: out, limit)
}

private struct Mutator {
    private var lines: [[UInt8]]
    private var state: UInt64

    init(_ input: UnsafeBufferPointer<UInt8>, seed: UInt32) {
        lines = unsafe input.split(separator: 10).prefix(Script.lineLimit).map { Array($0) }
        state = UInt64(seed)
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) % UInt64(max(limit, 1)))
    }

    func write(to bytes: UnsafeMutablePointer<UInt8>, _ limit: Int) -> Int {
        var count = 0
        for line in lines where count + line.count + 1 <= limit {
            for byte in line {
                unsafe bytes[count] = byte
                count += 1
            }
            unsafe bytes[count] = 10
            count += 1
        }
        return count
    }

    /// Two scripts together have no more lines than this: long ones take long, and say little that short ones do not.
    private static let mostLines = 20

    mutating func take(from other: UnsafeBufferPointer<UInt8>) {
        let others = unsafe other.split(separator: 10).map { Array($0) }
        guard !others.isEmpty else { return }
        defer { shorten() }
        let start = below(others.count)
        let count = 1 + below(others.count - start)
        if below(2) == 0 {
            lines.insert(contentsOf: others[start..<start + count], at: below(lines.count + 1))
        } else {
            let kept = below(lines.count + 1)
            lines = Array(lines[..<kept] + others[start...])
        }
    }

    /// What a scene is like stays said.
    private mutating func shorten() {
        let isOfScene = lines.first.map { Script.saysScene($0) } ?? false
        while lines.count > Self.mostLines {
            lines.remove(at: isOfScene ? 1 + below(lines.count - 1) : below(lines.count))
        }
    }

    mutating func change() {
        guard !lines.isEmpty else { return lines.append(template()) }
        let index = below(lines.count)
        switch below(23) {
        case 0, 1: lines.insert(template(), at: below(lines.count + 1))
        case 2: lines.insert(lines[index], at: below(lines.count + 1))
        case 3: lines.remove(at: index)
        case 4: lines.swapAt(index, below(lines.count))
        case 5: changePacing(index)
        case 6: changeActor(index)
        case 7, 8, 9: changeNumber(index)
        case 10: repeatLine(index)
        case 11, 12: addFrames()
        // What a scene is like is said at its beginning.
        case 13: lines.insert(Array(Words.scenes[below(Words.scenes.count)].utf8), at: 0)
        case 14: addFlood()
        case 15: addRecords()
        case 16: addLongHead()
        case 17: addUnread()
        default: changeBytes(index)
        }
    }

    private mutating func template() -> [UInt8] { Array(Words.lines[below(Words.lines.count)].utf8) }

    private mutating func changePacing(_ index: Int) {
        if lines[index].first == UInt8(ascii: "+") || lines[index].first == UInt8(ascii: "~") {
            lines[index].removeFirst()
        } else {
            lines[index].insert(UInt8(ascii: below(2) == 0 ? "+" : "~"), at: 0)
        }
    }

    private mutating func changeActor(_ index: Int) {
        let tokens = tokens(index)
        for (place, token) in tokens.enumerated() where token.count == 2 && (token[0] == 0x63 || token[0] == 0x65) {
            var changed = tokens
            changed[place][1] = UInt8(ascii: "0") + UInt8(below(4))
            if below(6) == 0 { changed[place][0] = token[0] == 0x63 ? 0x65 : 0x63 }
            return lines[index] = Array(changed.joined(separator: [32]))
        }
    }

    private mutating func changeNumber(_ index: Int) {
        var tokens = tokens(index)
        let numbers = tokens.indices.filter {
            !tokens[$0].isEmpty && tokens[$0].allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
        }
        guard !numbers.isEmpty else { return }
        // The last of a frame's three numbers is its stream's.
        if isOfFrame(tokens), numbers.count > 1, below(2) == 0 {
            let last = numbers.count > 2 && tokens[0].hasSuffix(Array("frame".utf8)) ? 2 : 1
            tokens[numbers[last]] = Array("\(Words.streams[below(Words.streams.count)])".utf8)
            return lines[index] = Array(tokens.joined(separator: [32]))
        }
        let place = numbers[below(numbers.count)]
        let value = Int(String(decoding: tokens[place], as: UTF8.self)) ?? 0
        let changed =
            switch below(6) {
            case 0: value &+ 1
            case 1: value &- 1
            case 2: below(256)
            case 3: value &* 2
            default: Words.numbers[below(Words.numbers.count)]
            }
        tokens[place] = Array("\(max(0, changed))".utf8)
        lines[index] = Array(tokens.joined(separator: [32]))
    }

    /// HEADERS and another frame behind somebody's frames: on streams that are related, or at the end of their range.
    private mutating func addFrames() {
        let frames = lines.indices.filter { isOfFrame(tokens($0)) }
        guard !frames.isEmpty else { return }
        let index = frames[below(frames.count)]
        let actor = String(decoding: tokens(index)[1], as: UTF8.self)
        let streams = below(2) == 0 ? Words.streams.suffix(4) : Words.streams[...]
        let first = streams[streams.startIndex + below(streams.count)]
        let second = [0, first, first + 2, Words.streams[below(Words.streams.count)]][below(4)]
        let fields = actor.hasPrefix("c") ? #":method: GET\n:scheme: http\n:path: /own\n:authority: a"# : ":status: 200"
        let type = below(2) == 0 ? below(2) : below(10)
        let head = #"fields \#(actor) \#(4 + below(2)) \#(first) "\#(fields)""#
        let frame = #"frame \#(actor) \#(type) \#(below(2)) \#(second) "hello""#
        lines.insert(contentsOf: [Array(head.utf8), Array(frame.utf8)], at: index + 1)
    }

    /// Somebody says the same very often, to somebody who may not take what comes of it.
    private mutating func addFlood() {
        let place = below(lines.count + 1)
        let flood = Words.floods[below(Words.floods.count)].replacing("#", with: "\(below(2))")
        lines.insert(Array("\(flood) \(1 << (8 + below(9)))".utf8), at: place)
        if below(2) == 0 { lines.insert(Array("stall c\(below(2))".utf8), at: place) }
    }

    /// A client of HTTP/2 that asks, and may take nothing; its endpoint says the same very often.
    private mutating func addUnread() {
        let client = "c\(below(2))"
        let endpoint = below(2)
        let service = ["one", "two"][below(2)]
        var added = [
            "open \(client) web", #"say \#(client) "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n""#, "+frame \(client) 4 0 0",
            #"fields \#(client) 5 1 ":method: GET\n:scheme: http\n:path: /\#(service)\n:authority: a""#,
        ]
        if below(4) > 0 { added.append("stall \(client)") }
        if service == "two" { added.append("frame e\(endpoint) 4 0 0") }
        let floods = Words.floods.filter { $0.contains(" e# ") }
        added.append("\(floods[below(floods.count)].replacing("#", with: "\(endpoint)")) \(1 << (12 + below(5)))")
        lines.insert(contentsOf: added.map { Array($0.utf8) }, at: below(2) == 0 ? 0 : below(lines.count + 1))
    }

    /// Somebody's record of TLS, whole or cut short, and another behind it, beside a client that encrypts as well.
    private mutating func addRecords() {
        let actor = "c\(below(2))"
        var place = below(lines.count + 1)
        var added: [String] = []
        if let known = lines.firstIndex(where: { $0.starts(with: "open \(actor) tls".utf8) }), below(4) > 0 {
            place = known + 1 + below(lines.count - known)
        } else {
            added.append("open \(actor) tls")
        }
        // Byte by byte it is a matter of chance what another connection is about when a record is whole.
        if below(2) == 0 { added.append("pace \(actor) \(1 + below(8))") }
        for _ in 0..<1 + below(3) {
            let content = Words.records[below(Words.records.count)]
            let said = content.bytes.prefix(below(2) == 0 ? content.bytes.count : below(content.bytes.count + 1))
            let type = below(8) == 0 ? 20 + below(5) : content.type
            added.append("record \(actor) \(type) " + String(decoding: LineReader.quote(said), as: UTF8.self))
        }
        lines.insert(contentsOf: added.map { Array($0.utf8) }, at: place)
        if below(4) == 0 { lines.insert(Array("clean tls".utf8), at: 0) }
    }

    /// A head of up to a mebibyte, at once or in pieces, where that is allowed.
    private mutating func addLongHead() {
        let actor = "c\(below(2))"
        var added = [below(2) == 0 ? "open \(actor) tls" : "open \(actor) large"]
        if below(4) == 0 { added.append("pace \(actor) \(1 << (10 + below(7)))") }
        added.append(#"say \#(actor) "GET /own HTTP/1.1\r\nhost: a\r\nx: y""#)
        for _ in 0..<1 + below(3) {
            added.append(#"say \#(actor) "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" \#(1 << (10 + below(6)))"#)
        }
        if below(2) == 0 { added.append(#"say \#(actor) "\r\n\r\n""#) }
        lines.insert(contentsOf: added.map { Array($0.utf8) }, at: below(lines.count + 1))
    }

    private func isOfFrame(_ tokens: [[UInt8]]) -> Bool {
        guard tokens.count > 2 else { return false }
        return tokens[0].hasSuffix(Array("frame".utf8)) || tokens[0].hasSuffix(Array("fields".utf8))
    }

    /// The number behind the bytes says how often.
    private mutating func repeatLine(_ index: Int) {
        guard let (_, after) = quoted(index) else { return }
        lines[index] = Array(lines[index][..<after]) + Array(" \(1 << below(2 + below(16)))".utf8)
    }

    private mutating func changeBytes(_ index: Int) {
        guard let (start, end) = quoted(index) else { return }
        var reader = LineReader(Array(lines[index][start..<end]))
        guard case .bytes(var bytes)? = reader.next() else { return }
        switch below(6) {
        case 0, 1:
            let word = Words.bytes[below(Words.bytes.count)]
            bytes.insert(contentsOf: word, at: below(bytes.count + 1))
        case 2:
            let from = below(bytes.count + 1)
            bytes.removeSubrange(from..<from + below(bytes.count - from + 1))
        case 3: bytes = Array(bytes.prefix(below(bytes.count + 1)))
        case 4:
            let from = below(bytes.count + 1)
            let piece = bytes[from..<from + below(bytes.count - from + 1)]
            bytes.insert(contentsOf: Array(piece), at: below(bytes.count + 1))
        default:
            let limit = bytes.count + 16
            var room = bytes + [UInt8](repeating: 0, count: 16)
            let count = unsafe mutateBytes(&room, bytes.count, limit)
            bytes = Array(room[..<count])
        }
        lines[index] = lines[index][..<start] + LineReader.quote(bytes.prefix(2_000)) + lines[index][end...]
    }

    /// Where the bytes of a line are, with their quotes.
    private func quoted(_ index: Int) -> (start: Int, end: Int)? {
        let line = lines[index]
        guard let start = line.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        var end = start + 1
        while end < line.count, line[end] != UInt8(ascii: "\"") { end += line[end] == UInt8(ascii: "\\") ? 2 : 1 }
        return (start, min(end + 1, line.count))
    }

    /// By spaces, with what is quoted as one.
    private func tokens(_ index: Int) -> [[UInt8]] {
        let line = lines[index]
        guard let (start, end) = quoted(index) else { return line.split(separator: 32).map { Array($0) } }
        return line[..<start].split(separator: 32).map { Array($0) } + [Array(line[start..<end])]
            + line[end...].split(separator: 32).map { Array($0) }
    }
}
