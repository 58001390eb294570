#include "Internal.h"

cssl_session *cssl_session_create(cssl_context *context, cssl_bio *bio, int is_server) {
    SSL *session = SSL_new(context);
    if (!session) {
        ERR_clear_error();
        return NULL;
    }
    BIO_up_ref(bio);
    SSL_set_bio(session, bio, bio);
    if (is_server) SSL_set_accept_state(session);
    else SSL_set_connect_state(session);
    return session;
}

void cssl_session_free(cssl_session *session) {
    // However the connection ended, its session can be resumed: an end without notice says nothing about the keys.
    SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session);
}

// OpenSSL tells a fatal error from a wait for more input by the thread's error queue (SSL_get_error(3)), and all sessions
// of a thread share that queue. So it is empty before every call whose result is judged by it, and empty after every call
// that failed: one peer's error is never read as another's.

void cssl_begin(void) {
    // Clearing writes to all entries of the queue; looking does not.
    if (ERR_peek_error()) ERR_clear_error();
}

/// How much of the port's input the next call may read.
static void allow(cssl_session *session, size_t count) {
    cssl_port *port = BIO_get_data(SSL_get_rbio(session));
    port->allowed = count;
}

int cssl_handshake(cssl_session *session) {
    cssl_begin();
    allow(session, SIZE_MAX);
    int result = SSL_do_handshake(session);
    if (result == 1) {
        if (!SSL_is_server(session)) cssl_keep_session(session);
        return 1;
    }
    if (SSL_get_error(session, result) == SSL_ERROR_WANT_READ) return 0;
    return -(int)cssl_failure_of(session);
}

long cssl_read(cssl_session *session, void *to, size_t room) {
    size_t count = 0;
    cssl_begin();
    // OpenSSL reads on where a record has no data for it, as one that asks for a renegotiation.
    allow(session, SSL3_RT_MAX_ENCRYPTED_LENGTH + SSL3_RT_HEADER_LENGTH);
    if (SSL_read_ex(session, to, room, &count)) return (long)count;
    switch (SSL_get_error(session, 0)) {
    case SSL_ERROR_WANT_READ: return 0;
    case SSL_ERROR_ZERO_RETURN: return -1;
    default: return -(long)cssl_failure_of(session) - 1;
    }
}

long cssl_write(cssl_session *session, const void *from, size_t count) {
    size_t written = 0;
    cssl_begin();
    if (SSL_write_ex(session, from, count < SSL3_RT_MAX_PLAIN_LENGTH ? count : SSL3_RT_MAX_PLAIN_LENGTH, &written))
        return (long)written;
    return -(long)cssl_failure_of(session);
}

void cssl_close(cssl_session *session) {
    if (SSL_in_init(session)) return;
    SSL_shutdown(session);
    cssl_begin();
}

int cssl_has_pending(const cssl_session *session) { return SSL_has_pending(session); }

int cssl_is_resumed(const cssl_session *session) { return SSL_session_reused(session); }

int cssl_version(const cssl_session *session) { return SSL_version(session); }

const char *cssl_cipher_name(const cssl_session *session) {
    return SSL_CIPHER_get_name(SSL_get_current_cipher(session));
}

const char *cssl_server_name(const cssl_session *session) {
    return SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
}

size_t cssl_protocol(const cssl_session *session, const uint8_t **name) {
    unsigned count = 0;
    SSL_get0_alpn_selected(session, name, &count);
    return count;
}

cssl_certificate *cssl_peer_certificate(const cssl_session *session) {
    return SSL_get_verify_result(session) == X509_V_OK ? cssl_shown_certificate(session) : NULL;
}

cssl_certificate *cssl_shown_certificate(const cssl_session *session) {
    X509 *leaf = SSL_get1_peer_certificate(session);
    if (!leaf) return NULL;
    cssl_certificate *certificate = OPENSSL_zalloc(sizeof *certificate);
    if (!certificate) {
        X509_free(leaf);
        return NULL;
    }
    certificate->leaf = leaf;
    return certificate;
}

// Failures

static cssl_failure of_verification(long result) {
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return CSSL_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return CSSL_NOT_YET_VALID;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return CSSL_NAME_MISMATCH;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED: return CSSL_UNKNOWN_CA;
    default: return CSSL_BAD_CERTIFICATE;
    }
}

/// An alert that the peer sent (RFC 8446, 6).
static cssl_failure of_alert(int alert) {
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE: return CSSL_PEER_BAD_CERTIFICATE;
    case SSL_AD_CERTIFICATE_EXPIRED: return CSSL_PEER_CERTIFICATE_EXPIRED;
    case SSL_AD_UNKNOWN_CA: return CSSL_PEER_UNKNOWN_CA;
    case SSL_AD_PROTOCOL_VERSION: return CSSL_UNSUPPORTED_VERSION;
    case SSL_AD_UNRECOGNIZED_NAME: return CSSL_PEER_UNKNOWN_NAME;
    case SSL_AD_CERTIFICATE_REQUIRED: return CSSL_CLIENT_CERTIFICATE_REQUIRED;
    case SSL_AD_NO_APPLICATION_PROTOCOL: return CSSL_NO_SHARED_PROTOCOL;
    default: return CSSL_PEER_REFUSED;
    }
}

static cssl_failure of_reason(SSL *session, int reason) {
    if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        return of_alert(reason - SSL_AD_REASON_OFFSET);
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return of_verification(SSL_get_verify_result(session));
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return CSSL_CLIENT_CERTIFICATE_REQUIRED;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_CIPHERS_AVAILABLE: return CSSL_NO_SHARED_CIPHER;
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS: return CSSL_NO_SHARED_GROUP;
    case SSL_R_NO_APPLICATION_PROTOCOL: return CSSL_NO_SHARED_PROTOCOL;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_INAPPROPRIATE_FALLBACK: return CSSL_UNSUPPORTED_VERSION;
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return CSSL_PLAIN_HTTP;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_WRONG_SSL_VERSION: return CSSL_NOT_TLS;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return CSSL_TRUNCATED;
    case SSL_R_DECRYPTION_FAILED:
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_DIGEST_CHECK_FAILED: return CSSL_CORRUPTED;
    case ERR_R_MALLOC_FAILURE: return CSSL_OUT_OF_MEMORY;
    default: return CSSL_PROTOCOL_ERROR;
    }
}

cssl_failure cssl_failure_of(SSL *session) {
    unsigned long error = ERR_peek_error();
    cssl_failure failure = CSSL_PROTOCOL_ERROR;
    // The first error of the SSL library is the cause; those of others, before it, say how it came about.
    while ((error = ERR_get_error())) {
        if (ERR_GET_LIB(error) != ERR_LIB_SSL && ERR_GET_REASON(error) != ERR_R_MALLOC_FAILURE) continue;
        failure = of_reason(session, ERR_GET_REASON(error));
        break;
    }
    ERR_clear_error();
    return failure;
}
