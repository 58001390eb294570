"""A certificate for 127.0.0.1 and the authority that both sides trust, as each library and the table want them."""

import ssl

import grpc

from certificates import make_authority, make_certificate


class Authority:
    """`listener` and `trusted` are what `tls` of a listener and of a service is in a table."""

    def __init__(self, directory):
        self.file, self.certificate, self.key = (directory / name for name in ("ca.pem", "own.pem", "own.key"))
        make_authority(directory)
        make_certificate(directory, "own", "DNS:clients.test,IP:127.0.0.1")
        self.listener = {"certificates": {"certificate": str(self.certificate), "key": str(self.key)}}
        self.trusted = {"ca": str(self.file)}

    def server_context(self, alpn=()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return offering(context, alpn)

    def client_context(self, alpn=()):
        return offering(ssl.create_default_context(cafile=self.file), alpn)

    def grpc_server(self):
        return grpc.ssl_server_credentials([(self.key.read_bytes(), self.certificate.read_bytes())])

    def grpc_client(self):
        return grpc.ssl_channel_credentials(self.file.read_bytes())


def offering(context, alpn):
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
