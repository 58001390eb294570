"""Authorities and certificates of a test, by openssl."""

import os
import subprocess


ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def make_authority(directory, name="ca"):
    openssl(directory, "req", "-x509", "-newkey", *ELLIPTIC, "-nodes", "-keyout",
            f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN=Test {name}", "-days", "30", "-addext",
            "basicConstraints=critical,CA:TRUE")


def make_certificate(directory, name, names, days=90, authority="ca", key=ELLIPTIC):
    openssl(directory, "req", "-new", "-newkey", *key, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
            f"/CN={name}")
    (directory / f"{name}.ext").write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
    openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-days", str(days), "-out", f"{name}.pem", "-extfile", f"{name}.ext")
    os.chmod(directory / f"{name}.key", 0o600)


def make_staple(directory, name):
    """An OCSP response that says the certificate is good, NAME.ocsp. Returns the certificate's serial number."""
    command = ["openssl", "x509", "-in", f"{name}.pem", "-noout", "-serial"]
    serial = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip().split("=")[1]
    (directory / f"{name}.index").write_text(f"V\t401231235959Z\t\t{serial}\tunknown\t/CN={name}\n")
    openssl(directory, "ocsp", "-index", f"{name}.index", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem", "-issuer",
            "ca.pem", "-cert", f"{name}.pem", "-respout", f"{name}.ocsp", "-ndays", "7")
    return serial
