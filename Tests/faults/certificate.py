"""A certificate for a test."""

import subprocess

from failed import Failed


def make_certificate(directory):
    """A key and a certificate signed with it, which nobody need trust. Returns their files."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    if not certificate.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "90", "-subj", "/CN=faults.test", "-keyout", key, "-out", certificate]
        made = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if made.returncode != 0:
            raise Failed(f"openssl made no certificate: {made.stderr}")
    return key, certificate
