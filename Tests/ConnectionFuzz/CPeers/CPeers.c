#include "CPeers.h"
#include "CForge.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct cpeers_session {
    SSL *ssl;
    int is_server, has_secret;
    uint8_t secret[32];
    uint64_t sequence;
};

// The router's errors, while a peer is at work.

enum { ERROR_LIMIT = 16 };

typedef struct {
    unsigned long errors[ERROR_LIMIT];
    int count;
} kept_errors;

static kept_errors keep_errors(void) {
    kept_errors kept = {.count = 0};
    while (ERR_peek_error() && kept.count < ERROR_LIMIT) kept.errors[kept.count++] = ERR_get_error();
    ERR_clear_error();
    return kept;
}

static void put_back(const kept_errors *kept) {
    ERR_clear_error();
    for (int i = 0; i < kept->count; i++) ERR_raise(ERR_GET_LIB(kept->errors[i]), ERR_GET_REASON(kept->errors[i]));
}

int cpeers_errors_left(void) {
    kept_errors kept = keep_errors();
    put_back(&kept);
    return kept.count;
}

// Certificates

static EVP_PKEY *key;
static X509 *certificate;
static char certificate_text[4096], key_text[1024];

static void add(X509 *to, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, to, to, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    X509_add_ext(to, extension, -1);
    X509_EXTENSION_free(extension);
}

static void copy_text(BIO *from, char *to, size_t room) {
    int count = BIO_read(from, to, (int)room - 1);
    to[count < 0 ? 0 : count] = 0;
    BIO_free(from);
}

static void make_certificate(void) {
    if (certificate) return;
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * 3650);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"fuzz", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_set_pubkey(certificate, key);
    add(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add(certificate, NID_subject_alt_name, "DNS:a.test");
    X509_sign(certificate, key, EVP_sha256());
    BIO *text = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(text, certificate);
    copy_text(text, certificate_text, sizeof certificate_text);
    text = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(text, key, NULL, NULL, 0, NULL, NULL);
    copy_text(text, key_text, sizeof key_text);
}

const char *cpeers_certificate(void) { return make_certificate(), certificate_text; }
const char *cpeers_key(void) { return make_certificate(), key_text; }

// Sessions

static void keep_secret(const SSL *ssl, const char *line) {
    cpeers_session *session = SSL_get_app_data(ssl);
    uint8_t secret[32];
    int by_client = cforge_secret_of_line(line, secret);
    if (by_client < 0 || by_client == session->is_server) return;
    memcpy(session->secret, secret, sizeof secret);
    session->has_secret = 1;
}

static const unsigned char offered[] = "\x02h2\x08http/1.1";

static int choose(
    SSL *ssl, const unsigned char **chosen, unsigned char *count, const unsigned char *in, unsigned in_count,
    void *unused) {
    (void)ssl, (void)unused;
    if (in_count < 1 || in[0] >= in_count) return SSL_TLSEXT_ERR_NOACK;
    *chosen = in + 1;
    *count = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(int is_server) {
    SSL_CTX *context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_keylog_callback(context, keep_secret);
    // A ticket would be a record that this file does not count.
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (is_server) {
        make_certificate();
        SSL_CTX_use_certificate(context, certificate);
        SSL_CTX_use_PrivateKey(context, key);
        SSL_CTX_set_alpn_select_cb(context, choose, NULL);
    }
    return context;
}

cpeers_session *cpeers_create(int is_server, int speaks_http2) {
    static SSL_CTX *contexts[2];
    kept_errors kept = keep_errors();
    if (!contexts[is_server]) contexts[is_server] = make_context(is_server);
    cpeers_session *session = calloc(1, sizeof *session);
    session->is_server = is_server;
    session->ssl = SSL_new(contexts[is_server]);
    SSL_set_app_data(session->ssl, session);
    SSL_set_bio(session->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (is_server) {
        SSL_set_accept_state(session->ssl);
    } else {
        SSL_set_connect_state(session->ssl);
        SSL_set_tlsext_host_name(session->ssl, "a.test");
        const unsigned char *protocols = speaks_http2 ? offered : offered + 3;
        SSL_set_alpn_protos(session->ssl, protocols, speaks_http2 ? 3 : 9);
    }
    put_back(&kept);
    return session;
}

void cpeers_free(cpeers_session *session) {
    kept_errors kept = keep_errors();
    SSL_free(session->ssl);
    free(session);
    put_back(&kept);
}

void cpeers_hear(cpeers_session *session, const uint8_t *bytes, size_t count) {
    kept_errors kept = keep_errors();
    BIO_write(SSL_get_rbio(session->ssl), bytes, (int)count);
    put_back(&kept);
}

int cpeers_go_on(cpeers_session *session) {
    kept_errors kept = keep_errors();
    int result = SSL_do_handshake(session->ssl);
    if (result <= 0) result = SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -1;
    put_back(&kept);
    return result;
}

size_t cpeers_say(cpeers_session *session, uint8_t *to, size_t room) {
    kept_errors kept = keep_errors();
    int count = BIO_read(SSL_get_wbio(session->ssl), to, (int)room);
    put_back(&kept);
    return count > 0 ? (size_t)count : 0;
}

long cpeers_read(cpeers_session *session, uint8_t *to, size_t room) {
    kept_errors kept = keep_errors();
    int count = SSL_read(session->ssl, to, (int)room);
    long result = count;
    if (count <= 0) {
        int error = SSL_get_error(session->ssl, count);
        result = error == SSL_ERROR_WANT_READ ? 0 : error == SSL_ERROR_ZERO_RETURN ? -1 : -2;
    }
    put_back(&kept);
    return result;
}

size_t cpeers_seal(cpeers_session *session, uint8_t type, const uint8_t *content, size_t count, uint8_t *record) {
    if (!session->has_secret) return 0;
    kept_errors kept = keep_errors();
    size_t length = cforge_seal_by(session->secret, session->sequence++, type, content, count, record);
    put_back(&kept);
    static const uint8_t update[4] = {24, 0, 0, 1};
    if (type == 22 && count == 5 && memcmp(content, update, 4) == 0 && content[4] <= 1) {
        cforge_next_secret(session->secret);
        session->sequence = 0;
    }
    return length;
}
