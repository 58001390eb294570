internal import CLinux

/// One open file descriptor and the duty to close it.
package struct Descriptor: ~Copyable {
    private(set) var number: Int32

    init(owning number: Int32) {
        self.number = number
    }

    package var isOpen: Bool { number >= 0 }

    /// Closes it now; closing twice does nothing.
    package mutating func close() {
        if number >= 0 {
            _ = clinux_close(number)
            number = -1
        }
    }

    deinit {
        if number >= 0 { _ = clinux_close(number) }
    }
}
