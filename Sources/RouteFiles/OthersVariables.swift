/// What other routers fill in where Spillway sends a text as it is: captures of a pattern (`$1`) and nginx's variables.
/// Other texts with a `$` are left alone: `/odata/$metadata` is a path.
enum OthersVariables {
    private static let names: Set<String> = [
        "args", "binary_remote_addr", "document_uri", "host", "hostname", "http_host", "is_args",
        "proxy_add_x_forwarded_for",
        "query_string", "realip_remote_addr", "remote_addr", "remote_port", "request_id", "request_method",
        "request_uri",
        "scheme", "server_addr", "server_name", "server_port", "ssl_client_s_dn", "uri",
    ]

    /// The first of them in a text.
    static func first(in text: String) -> String? {
        for part in text.split(separator: "$", omittingEmptySubsequences: false).dropFirst() {
            let word = part.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            if let digit = word.first, digit.isNumber { return "$\(digit)" }
            if names.contains(String(word)) { return "$\(word)" }
        }
        return nil
    }
}
