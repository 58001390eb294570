#ifndef COPENSSL_H
#define COPENSSL_H

// OpenSSL, for Swift: sessions as functions of bytes, contexts, certificates. No socket is known here. Objects are opaque
// and OpenSSL's own; whoever creates one frees it. Nothing here keeps an object for longer than its owner does.

#include <stddef.h>
#include <stdint.h>

typedef struct ossl_lib_ctx_st cssl_library;
typedef struct ssl_ctx_st cssl_context;
typedef struct ssl_st cssl_session;
typedef struct bio_st cssl_bio;
typedef struct cssl_certificate cssl_certificate;
typedef struct stack_st_GENERAL_NAME cssl_names;
typedef struct stack_st_X509 cssl_bundle;

// What went wrong; TLSFailure in Swift has the same numbers. 0 is none.
typedef enum {
    CSSL_OK = 0,
    CSSL_UNKNOWN_CA = 1,
    CSSL_EXPIRED = 2,
    CSSL_NOT_YET_VALID = 3,
    CSSL_NAME_MISMATCH = 4,
    CSSL_BAD_CERTIFICATE = 5,
    CSSL_CLIENT_CERTIFICATE_REQUIRED = 6,
    CSSL_NO_SHARED_CIPHER = 7,
    CSSL_NO_SHARED_GROUP = 8,
    CSSL_NO_SHARED_PROTOCOL = 9,
    CSSL_UNSUPPORTED_VERSION = 10,
    CSSL_PLAIN_HTTP = 11,
    CSSL_NOT_TLS = 12,
    CSSL_TRUNCATED = 13,
    CSSL_HANDSHAKE_TIMEOUT = 14,
    CSSL_CORRUPTED = 15,
    CSSL_PROTOCOL_ERROR = 16,
    CSSL_PEER_REFUSED = 17,
    CSSL_PEER_UNKNOWN_CA = 18,
    CSSL_PEER_CERTIFICATE_EXPIRED = 19,
    CSSL_PEER_BAD_CERTIFICATE = 20,
    CSSL_PEER_UNKNOWN_NAME = 21,
    CSSL_PEER_CLOSED = 22,
    CSSL_OUT_OF_MEMORY = 23,
} cssl_failure;

// Memory between sessions and sockets

/// What one thread's sessions read their ciphertext from and write it to, one after the other.
typedef struct {
    const uint8_t *input;
    size_t input_count;
    /// Of the input, what may still be read before the call in hand returns.
    size_t allowed;
    uint8_t *output;
    size_t output_room;
    size_t output_count;
    /// Messages of the handshake protocol, alerts and the like that were read: all that is no data.
    size_t messages;
} cssl_port;

/// A BIO on a port, which must outlive it. Every session on it holds a reference.
cssl_bio *cssl_bio_create(cssl_port *port);
void cssl_bio_free(cssl_bio *bio);

// Algorithms, fetched and cached: one for each thread, so that threads share no lock or count.

cssl_library *cssl_library_create(void);

int cssl_random(uint8_t *to, size_t count);

/// The reason of this thread's last error, and forgets all of them. Returns the text's length.
size_t cssl_take_error(char *to, size_t room);

// Sessions

cssl_session *cssl_session_create(cssl_context *context, cssl_bio *bio, int is_server);
void cssl_session_free(cssl_session *session);

/// 1: done; 0: more input is wanted; negative: -cssl_failure. Output may have been written in every case.
int cssl_handshake(cssl_session *session);
/// Reads a record's worth of input at most. Bytes of plaintext; 0: it had no data, or more input is wanted; -1: the peer
/// has closed with notice; below: -cssl_failure - 1.
long cssl_read(cssl_session *session, void *to, size_t room);
/// Bytes of plaintext taken, at most one record's; negative: -cssl_failure.
long cssl_write(cssl_session *session, const void *from, size_t count);
/// Writes close_notify.
void cssl_close(cssl_session *session);
/// Plaintext, or a part of a record, lies within the session.
int cssl_has_pending(const cssl_session *session);

int cssl_is_resumed(const cssl_session *session);
/// 0x0303: TLS 1.2; 0x0304: TLS 1.3.
int cssl_version(const cssl_session *session);
const char *cssl_cipher_name(const cssl_session *session);
/// NULL where the client named no server.
const char *cssl_server_name(const cssl_session *session);
/// The protocol agreed on, not terminated; 0 where there is none.
size_t cssl_protocol(const cssl_session *session, const uint8_t **name);
/// The peer's verified certificate; NULL where it has none. To be freed.
cssl_certificate *cssl_peer_certificate(const cssl_session *session);
/// The same, verified or not.
cssl_certificate *cssl_shown_certificate(const cssl_session *session);

// Contexts

typedef struct {
    uint8_t name[16];
    uint8_t cipher_key[32];
    uint8_t mac_key[32];
} cssl_ticket_key;

/// The first makes tickets, all accept them.
typedef struct {
    cssl_ticket_key keys[4];
    int count;
} cssl_ticket_keys;

/// What a server's contexts ask for during a handshake. It outlives them and their sessions.
typedef struct {
    const cssl_ticket_keys *tickets;
    /// ALPN's list of names, each after its length, by preference; empty: none is agreed on.
    const uint8_t *protocols;
    size_t protocols_count;
    /// The context for a server name, or NULL to keep the first one.
    cssl_context *(*choose)(const void *owner, const char *name);
    const void *owner;
    /// 0: no certificate is asked for; 1: asked for; 2: required. A session of before is resumed only if a client with its
    /// certificate would be let in now.
    int client_mode;
    /// When the first of the trusted authorities expires: from then on nobody's session is resumed who has a certificate.
    int64_t clients_until;
    /// AES-256-CBC, HMAC's digest: fetched by cssl_server_context.
    void *cipher;
} cssl_server;

typedef struct {
    int min_version;
    int max_version;
    /// NULL: the defaults.
    const char *ciphers;
    const char *suites;
    const char *groups;
} cssl_settings;

/// A context without a certificate; NULL with an error.
cssl_context *cssl_server_context(cssl_library *library, const cssl_settings *settings, cssl_server *server);
/// A context that verifies nothing and trusts nobody yet.
cssl_context *cssl_client_context(cssl_library *library, const cssl_settings *settings);
void cssl_context_free(cssl_context *context);
void cssl_server_free_algorithms(cssl_server *server);

int cssl_use_certificate(cssl_context *context, const cssl_certificate *certificate);
/// Staples a response, whose bytes outlive the context, to the certificate used last, until `until` (seconds since 1970).
typedef struct {
    const uint8_t *response;
    size_t count;
    int64_t until;
} cssl_staple;
void cssl_use_staple(cssl_context *context, const cssl_staple *staple);

/// Sessions are resumed only among contexts with the same name.
int cssl_name_sessions(cssl_context *context, const uint8_t *name, size_t count);
/// As `client_mode` of the server says.
void cssl_verify_clients(cssl_context *context, int mode);
void cssl_verify_server(cssl_context *context);
/// Trusts the certificates of a PEM text; also names them to clients. Returns how many, or -1.
int cssl_trust(cssl_context *context, cssl_library *library, const uint8_t *pem, size_t count, int names_them);
int cssl_trust_system(cssl_context *context);

// Clients

int cssl_offer_protocols(cssl_context *context, const uint8_t *protocols, size_t count);
/// The name that is asked for, and the name or IP address that the certificate must have; NULL: none.
int cssl_expect(cssl_session *session, const char *server_name, const char *host, const char *ip);

/// The last session a server offered for resumption.
typedef struct {
    void *session;
} cssl_resumption;
/// Resumes what is kept, unless the server's certificate is not valid any more, and keeps what comes. `kept` outlives the
/// session.
void cssl_resume(cssl_session *session, cssl_resumption *kept);
void cssl_resumption_clear(cssl_resumption *kept);

// Certificates

/// The leaf, its chain and its key from PEM texts, checked against each other; NULL with a reason. Without `key` there
/// is none.
cssl_certificate *cssl_certificate_load(
    cssl_library *library, const uint8_t *pem, size_t pem_count, const uint8_t *key, size_t key_count, char *reason,
    size_t room);
void cssl_certificate_free(cssl_certificate *certificate);

/// Seconds since 1970.
int64_t cssl_not_before(const cssl_certificate *certificate);
int64_t cssl_not_after(const cssl_certificate *certificate);
/// Of the key: OpenSSL's number of the kind of algorithm.
int cssl_key_kind(const cssl_certificate *certificate);
/// The text of the subject (RFC 2253); returns its length, at most `room`.
size_t cssl_subject(const cssl_certificate *certificate, char *to, size_t room);
/// SHA-256 of the whole certificate.
void cssl_fingerprint(const cssl_certificate *certificate, uint8_t to[32]);
/// The certificate's alternative names, decoded; NULL where there are none. To be freed.
cssl_names *cssl_alternative_names(const cssl_certificate *certificate);
void cssl_names_free(cssl_names *names);
int cssl_names_count(const cssl_names *names);
/// The name at `index`, which is below the count: 1: a DNS name, 2: a URI, 3: an IP address (4 or 16 bytes), 0: of another
/// kind. Its bytes belong to the names.
int cssl_name_at(const cssl_names *names, int index, const uint8_t **bytes, size_t *count);
/// The subject's common name; returns its length, 0 where there is none.
size_t cssl_common_name(const cssl_certificate *certificate, char *to, size_t room);

/// The certificates of a PEM text, whoever issued them; NULL where it has none. To be freed.
cssl_bundle *cssl_bundle_read(const uint8_t *pem, size_t count);
void cssl_bundle_free(cssl_bundle *bundle);
int cssl_bundle_count(const cssl_bundle *bundle);
/// The certificate at `index`, which is below the count. To be freed.
cssl_certificate *cssl_bundle_at(const cssl_bundle *bundle, int index);

/// Until when an OCSP response (DER) is good for a certificate; -1 with a reason.
int64_t cssl_check_staple(
    const cssl_certificate *certificate, const uint8_t *response, size_t count, char *reason, size_t room);

#endif
