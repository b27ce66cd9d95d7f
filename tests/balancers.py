"""The balancers of ``config/``, run as they are shipped but for addresses and certificate."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import REPOSITORY, ServerProcess, free_port, is_listening

EXAMPLE_NODES = ("127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083")


class Certificate:
    """A self-signed certificate for 127.0.0.1, and the clients' trust in it."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        today = datetime.datetime.now(datetime.UTC)
        here = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=1))
            .not_valid_after(today + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([here]), critical=False)
            .sign(key, hashes.SHA256())
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.certificate = folder / "tls.crt"
        self.key = folder / "tls.key"
        self.both = folder / "tls.pem"
        self.certificate.write_bytes(public)
        self.key.write_bytes(private)
        self.both.write_bytes(public + private)
        self.trust = ssl.create_default_context(cafile=str(self.certificate))


class Balancer(ServerProcess):
    """A balancer before these nodes. ``changes``: texts of its configuration to be replaced."""

    program: str
    configuration: str

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[str],
        certificate: Certificate,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.plain_port = free_port()
        self._nodes = nodes
        self._certificate = certificate
        self._changes = changes or {}

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def replacements(self) -> Mapping[str, str]:
        """What stands in the shipped file for addresses and files, and what it is here."""
        raise NotImplementedError

    async def is_ready(self) -> bool:
        return await is_listening(self.port)

    def _configure(self) -> Path:
        """Write the configuration; every text that is to be replaced must be there."""
        text = (REPOSITORY / "config" / self.configuration).read_text()
        nodes = dict(zip(EXAMPLE_NODES, self._nodes, strict=True))
        for old, new in {**self.replacements(), **nodes, **self._changes}.items():
            assert old in text, f"{self.configuration} does not hold {old!r}"
            text = text.replace(old, new)
        path = self.folder / self.configuration
        path.write_text(text)
        return path

    def _program(self) -> str:
        return shutil.which(self.program) or f"/usr/sbin/{self.program}"


class Nginx(Balancer):
    program = "nginx"
    configuration = "nginx.conf"

    def command(self) -> list[str]:
        user = "user root; " if os.geteuid() == 0 else ""
        options = f"daemon off; master_process off; {user}pid {self.folder}/nginx.pid;"
        return [
            self._program(),
            "-p",
            str(self.folder),
            "-c",
            str(self._configure()),
            "-g",
            options,
        ]

    def replacements(self) -> Mapping[str, str]:
        return {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "worker_connections 65535": "worker_connections 1000",
            "/etc/notifier/tls.crt": str(self._certificate.certificate),
            "/etc/notifier/tls.key": str(self._certificate.key),
        }


class HAProxy(Balancer):
    program = "haproxy"
    configuration = "haproxy.cfg"

    def command(self) -> list[str]:
        return [self._program(), "-db", "-f", str(self._configure())]

    def replacements(self) -> Mapping[str, str]:
        return {
            "bind :80": f"bind 127.0.0.1:{self.plain_port}",
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "maxconn 100000": "maxconn 1000",
            "/etc/notifier/tls.pem": str(self._certificate.both),
        }
