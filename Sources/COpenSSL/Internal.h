#ifndef COPENSSL_INTERNAL_H
#define COPENSSL_INTERNAL_H

#include "COpenSSL.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct cssl_certificate {
    X509 *leaf;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
};

/// Empties the thread's queue of errors, so that what is there after the next call is of that call.
void cssl_begin(void);

/// What a session failed for, from this thread's errors, which are then forgotten.
cssl_failure cssl_failure_of(SSL *session);

/// Keeps a session that was renewed while it was resumed, which OpenSSL tells nobody of (TLS 1.2).
void cssl_keep_session(SSL *session);

#endif
