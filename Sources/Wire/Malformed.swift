/// Why bytes are refused. docs/strictness.md says of each rule what it is there for.
///
/// The same reasons serve requests, responses and chunked bodies; `status` is what a client is told about its request.
/// A response that is refused is answered 502 by whoever asked for it.
package enum Malformed: Error, Sendable, Hashable, CaseIterable {
    // Lines
    case bareCarriageReturn
    case bareLineFeed

    // The request line
    case methodInvalid
    case requestLineInvalid
    case versionUnsupported
    case targetInvalid
    case targetTooLong
    case authorityInvalid

    // The status line
    case statusLineInvalid
    case statusInvalid

    // Fields
    case fieldNameEmpty
    case fieldNameInvalid
    case colonMissing
    case blankBeforeColon
    case lineFolded
    case fieldValueInvalid
    case headTooLarge
    case tooManyFields

    // What fields say
    case hostMissing
    case hostDuplicate
    case hostInvalid
    case tooManyConnectionOptions
    case expectationUnknown

    // Framing
    case lengthInvalid
    case lengthDuplicate
    case lengthAndEncoding
    case encodingInvalid
    case encodingUnsupported
    case encodingInHTTP10
    case framingOnInterim

    // Chunked bodies
    case chunkSizeInvalid
    case chunkSizeTooLarge
    case chunkExtensionInvalid
    case chunkExtensionsTooLong
    case chunkEndMissing
    case trailersTooLarge

    /// The status that answers a request refused for this.
    package var status: UInt16 {
        switch self {
        case .targetTooLong: 414
        case .headTooLarge, .tooManyFields, .trailersTooLarge, .tooManyConnectionOptions: 431
        case .expectationUnknown: 417
        case .encodingUnsupported: 501
        case .versionUnsupported: 505
        default: 400
        }
    }

    /// A short word for logs and for `x-spillway-error`. Part of the interface: operators count by it.
    package var reason: StaticString {
        switch self {
        case .bareCarriageReturn: "bare-cr"
        case .bareLineFeed: "bare-lf"
        case .methodInvalid: "method-invalid"
        case .requestLineInvalid: "request-line-invalid"
        case .versionUnsupported: "version-unsupported"
        case .targetInvalid: "target-invalid"
        case .targetTooLong: "target-too-long"
        case .authorityInvalid: "authority-invalid"
        case .statusLineInvalid: "status-line-invalid"
        case .statusInvalid: "status-invalid"
        case .fieldNameEmpty: "field-name-empty"
        case .fieldNameInvalid: "field-name-invalid"
        case .colonMissing: "colon-missing"
        case .blankBeforeColon: "blank-before-colon"
        case .lineFolded: "line-folded"
        case .fieldValueInvalid: "field-value-invalid"
        case .headTooLarge: "head-too-large"
        case .tooManyFields: "too-many-fields"
        case .hostMissing: "host-missing"
        case .hostDuplicate: "host-duplicate"
        case .hostInvalid: "host-invalid"
        case .tooManyConnectionOptions: "too-many-connection-options"
        case .expectationUnknown: "expectation-unknown"
        case .lengthInvalid: "length-invalid"
        case .lengthDuplicate: "length-duplicate"
        case .lengthAndEncoding: "length-and-encoding"
        case .encodingInvalid: "encoding-invalid"
        case .encodingUnsupported: "encoding-unsupported"
        case .encodingInHTTP10: "encoding-in-http10"
        case .framingOnInterim: "framing-on-interim"
        case .chunkSizeInvalid: "chunk-size-invalid"
        case .chunkSizeTooLarge: "chunk-size-too-large"
        case .chunkExtensionInvalid: "chunk-extension-invalid"
        case .chunkExtensionsTooLong: "chunk-extensions-too-long"
        case .chunkEndMissing: "chunk-end-missing"
        case .trailersTooLarge: "trailers-too-large"
        }
    }
}
