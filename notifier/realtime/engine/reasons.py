"""Why a connection ended, and what its client is told.

The words are those of python-engineio, and some of ours. A disconnect handler gets the word, a
WebSocket the code of RFC 6455.
"""

CLIENT_DISCONNECT = "client disconnect"
SERVER_DISCONNECT = "server disconnect"
SERVER_SHUTDOWN = "server shutdown"
PING_TIMEOUT = "ping timeout"
TRANSPORT_CLOSE = "transport close"
TRANSPORT_ERROR = "transport error"
PARSE_ERROR = "parse error"
SLOW_READER = "slow reader"
# Its connect handler did not accept it: no disconnect handler is run.
REFUSED = "refused"

NORMAL, GOING_AWAY, POLICY_VIOLATION, TRY_AGAIN_LATER = 1000, 1001, 1008, 1013
