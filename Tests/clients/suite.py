"""All groups of tests."""

import down
import drain
import grpc_calls
import metrics
import probes
import proxied
import tunnels
import up
import websocket_tests

GROUPS = [down.GROUP, drain.GROUP, up.GROUP, up.SECURE, *grpc_calls.GROUPS, *websocket_tests.GROUPS]
GROUPS += [tunnels.GROUP, proxied.GROUP, probes.GROUP, metrics.GROUP]
