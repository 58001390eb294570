# The targets people use. `make help` lists them.

BUILD := .build/release/spillway

.PHONY: help demo test build bench bench-quick faults properties mutations clients storms fuzz fuzz-faults sanitize format lint clean dependencies bench-dependencies

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

demo: dependencies build ## Three regions, five services, the router and load, live in this terminal
	@$(BUILD) demo

test: dependencies build ## Everything that must hold: unit tests, scenarios and thousands of simulated worlds, real faults
	Tests/rules/run
	Tests/linked/run
	swift test
	Tests/WireFuzz/run 20
	FUZZ_SEED=1 Tests/ConnectionFuzz/run 30
	Tests/tls/run
	cd Tests/faults && python3 -m unittest -q
	Tests/http2/run --exact conformance
	Tests/http2/run --busy attacks
	Tests/clients/run
	Tests/storms/run --quick --busy
	$(BUILD) simulate --quiet routes/scenarios/*.yaml
	Tests/properties/run 3000
	Tests/faults/run --warm 6 quick

build: ## The release build
	swift build -c release --product spillway

bench: bench-dependencies build ## CPU per request against HAProxy, nginx and the limit; see docs/benchmarks.md
	Benchmarks/run

bench-quick: bench-dependencies build ## The same, shorter and less sure
	Benchmarks/run --quick

clients: bench-dependencies build ## Real clients, servers and scanners of TLS, HTTP/2, gRPC and WebSocket; conformance and attacks
	Tests/tls/run --reloads 1000 --scan
	Tests/http2/run
	Tests/http2/run --tls --exact conformance
	Tests/clients/run

storms: dependencies build ## Idle connections by the thousand, floods, resets, slow clients, garbage: nothing is left of them
	Tests/storms/run

faults: dependencies build ## All fault scenarios at full length
	Tests/faults/run

properties: ## Hold the router against the laws in 20,000 simulated worlds
	Tests/properties/run 20000

mutations: ## Break one rule after the other, and show that the simulated worlds notice
	Tests/properties/mutations

FUZZ_SECONDS ?= 300
fuzz: dependencies ## Feed parsers and whole connections with what nobody thought of, FUZZ_SECONDS (300) each
	Tests/WireFuzz/run $(FUZZ_SECONDS)
	Tests/ConnectionFuzz/run $(FUZZ_SECONDS)

fuzz-faults: dependencies ## Put mended faults back, one after the other, and see how soon fuzzing finds them
	Tests/ConnectionFuzz/faults/run

sanitize: dependencies ## The proxy under the sanitizer of addresses, what Control and workers share under that of threads
	SPILLWAY_SANITIZE=1 LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leaks.txt \
	swift test --disable-xctest --sanitize address --scratch-path .build-asan \
	    -Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined --filter 'ProxyTests|ReactorTests|TLSTests|WireTests'
	SPILLWAY_SANITIZE=1 TSAN_OPTIONS=halt_on_error=1 \
	swift test --disable-xctest --sanitize thread --scratch-path .build-tsan --filter 'ControlTests|TelemetryTests|ReactorTests'

format: ## Format the sources in place
	swift format --in-place --parallel --recursive Package.swift Sources Tests Benchmarks

lint: ## Check the format
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks

clean: ## Remove what was built
	rm -rf .build .build-* Benchmarks/build

dependencies:
	@deploy/install-dependencies

bench-dependencies:
	@deploy/install-dependencies --bench
