"""One keep-alive connection to the gate or to the API itself, for scripts that ask one thing after
the other."""

import collections
import http.client
import json

WAIT_S = 120

Answer = collections.namedtuple("Answer", "status fields body")


class Client:
    """Asks with a key; the API's own is its token."""

    def __init__(self, address, key):
        self.connection = http.client.HTTPConnection(address, timeout=WAIT_S)
        self.key = key

    def ask(self, method, target, body=None):
        separator = "&" if "?" in target else "?"
        self.connection.request(method, f"{target}{separator}access_token={self.key}",
                                None if body is None else json.dumps(body),
                                {} if body is None else {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def close(self):
        self.connection.close()
