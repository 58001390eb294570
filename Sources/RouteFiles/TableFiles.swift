internal import Files
internal import Glibc

/// The files of a table.
package enum TableFiles {
    /// The texts of a file, or of all `.yaml`, `.yml` and `.json` files of a directory, in the order of their names.
    package static func texts(at path: String) -> Result<[(name: String, text: String)], Problems> {
        guard isDirectory(path) else { return texts(of: [path]) }
        let names: [String]
        do {
            names = try Self.names(in: path)
        } catch {
            return .failure(Problems([Problem(file: path, found: "the directory cannot be read: \(error.reason)")]))
        }
        let files = names.sorted().map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
        if files.isEmpty {
            return .failure(
                Problems([
                    Problem(file: path, found: "no files of a table", expected: "files named *.yaml, *.yml or *.json")
                ]))
        }
        if files.count > SourceLimits.files {
            return .failure(Problems([Problem(file: path, found: "more than \(SourceLimits.files) files")]))
        }
        return texts(of: files)
    }

    /// Whether a file of a table's directory is read, by its name: not what editors and configuration maps leave there.
    package static func isTableFile(_ name: String) -> Bool {
        !name.hasPrefix(".") && [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }

    static func texts(of files: [String]) -> Result<[(name: String, text: String)], Problems> {
        var texts: [(name: String, text: String)] = []
        var problems: [Problem] = []
        var total = 0
        for file in files {
            do {
                let bytes = try RegularFile.read(file, atMost: SourceLimits.fileBytes)
                total += bytes.count
                if total > SourceLimits.totalBytes {
                    problems.append(Problem(file: file, found: "more than \(SourceLimits.totalBytes >> 20) MiB"))
                    // What follows would be read for nothing.
                    break
                }
                if let text = String(validating: bytes, as: UTF8.self) {
                    texts.append((file, text))
                } else {
                    problems.append(Problem(file: file, found: "bytes that are not UTF-8"))
                }
            } catch {
                problems.append(Problem(error))
            }
        }
        return problems.isEmpty ? .success(texts) : .failure(Problems(problems))
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Those that are read, in no order; at most one more than there may be.
    private static func names(in path: String) throws(FileProblem) -> [String] {
        guard let directory = unsafe opendir(path) else { throw FileProblem(path, .read, code: errno) }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while names.count <= SourceLimits.files, let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if isTableFile(name) { names.append(name) }
        }
        return names
    }
}

extension Problem {
    /// Of a file as a whole.
    init(_ problem: FileProblem) {
        switch problem.cause {
        case .system where problem.isAbsence: self.init(file: problem.path, found: "no such file or directory")
        case .system: self.init(file: problem.path, found: "the file cannot be read: \(problem.reason)")
        case .kind(let kind): self.init(file: problem.path, found: kind, expected: "a regular file")
        case .size: self.init(file: problem.path, found: problem.reason)
        }
    }
}
