#include "Internal.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

// Tickets

static int ticket_key(
    SSL *session, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int makes) {
    cssl_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(session));
    const cssl_ticket_keys *tickets = server->tickets;
    int index = 0;
    if (makes) {
        if (tickets->count == 0 || RAND_bytes(iv, 16) != 1) return -1;
        memcpy(name, tickets->keys[0].name, 16);
    } else {
        while (index < tickets->count && memcmp(name, tickets->keys[index].name, 16) != 0) index++;
        if (index == tickets->count) return 0;
    }
    const cssl_ticket_key *key = &tickets->keys[index];
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key, sizeof key->mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
    if (EVP_CipherInit_ex(cipher, server->cipher, NULL, key->cipher_key, iv, makes) != 1) return -1;
    // TLS 1.3 has a new ticket after every handshake as it is.
    return makes || (index == 0 && SSL_version(session) < TLS1_3_VERSION) ? 1 : 2;
}

/// Now is within the certificate's time.
static int is_valid(const X509 *certificate) {
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/// OpenSSL asks nobody for a certificate who resumes a session, and does not look again at the one the session was begun
/// with. A session that would not be begun now is not resumed: the client shakes hands anew.
static int may_resume(const cssl_server *server, const SSL_SESSION *kept) {
    if (server->client_mode == 0) return 1;
    const X509 *shown = SSL_SESSION_get0_peer((SSL_SESSION *)kept);
    if (!shown) return server->client_mode < 2;
    return is_valid(shown) && time(NULL) < server->clients_until;
}

static SSL_TICKET_RETURN use_ticket(
    SSL *session, SSL_SESSION *kept, const unsigned char *name, size_t count, SSL_TICKET_STATUS status, void *argument) {
    (void)session, (void)name, (void)count;
    switch (status) {
    case SSL_TICKET_EMPTY:
    case SSL_TICKET_NO_DECRYPT: return SSL_TICKET_RETURN_IGNORE_RENEW;
    case SSL_TICKET_SUCCESS: return may_resume(argument, kept) ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_IGNORE_RENEW;
    case SSL_TICKET_SUCCESS_RENEW:
        return may_resume(argument, kept) ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
    default: return SSL_TICKET_RETURN_ABORT;
    }
}

// Names and protocols

static int choose_name(SSL *session, int *alert, void *argument) {
    (void)alert;
    cssl_server *server = argument;
    const char *name = SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    if (!name) return SSL_TLSEXT_ERR_NOACK;
    cssl_context *chosen = server->choose(server->owner, name);
    if (chosen && chosen != SSL_get_SSL_CTX(session)) SSL_set_SSL_CTX(session, chosen);
    return SSL_TLSEXT_ERR_OK;
}

static int choose_protocol(
    SSL *session, const unsigned char **out, unsigned char *out_count, const unsigned char *offered, unsigned count,
    void *argument) {
    (void)session;
    const cssl_server *server = argument;
    for (size_t i = 0; i < server->protocols_count; i += server->protocols[i] + 1u)
        for (unsigned j = 0; j < count; j += offered[j] + 1u)
            if (offered[j] == server->protocols[i] && j + offered[j] < count &&
                memcmp(offered + j + 1, server->protocols + i + 1, offered[j]) == 0) {
                *out = server->protocols + i + 1;
                *out_count = server->protocols[i];
                return SSL_TLSEXT_ERR_OK;
            }
    // RFC 7301, 3.2: a client that speaks none of ours is told so, and not taken for one that speaks another.
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static pthread_once_t staple_once = PTHREAD_ONCE_INIT;
static int staple_index;

static void make_staple_index(void) { staple_index = X509_get_ex_new_index(0, NULL, NULL, NULL, NULL); }

// A context may have a certificate of each kind of key: what is stapled goes with the one that is shown.
static int staple(SSL *session, void *argument) {
    (void)argument;
    X509 *leaf = SSL_get_certificate(session);
    const cssl_staple *response = leaf ? X509_get_ex_data(leaf, staple_index) : NULL;
    if (!response || response->count == 0 || time(NULL) >= response->until) return SSL_TLSEXT_ERR_NOACK;
    // The session frees it.
    unsigned char *copy = OPENSSL_memdup(response->response, response->count);
    if (!copy) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(session, copy, response->count);
    return SSL_TLSEXT_ERR_OK;
}

// Contexts

static void count_message(
    int is_written, int version, int kind, const void *bytes, size_t count, SSL *session, void *argument) {
    (void)version, (void)bytes, (void)count, (void)argument;
    if (is_written || (kind != SSL3_RT_HANDSHAKE && kind != SSL3_RT_ALERT && kind != SSL3_RT_CHANGE_CIPHER_SPEC)) return;
    BIO *bio = SSL_get_rbio(session);
    cssl_port *port = bio ? BIO_get_data(bio) : NULL;
    if (port) port->messages++;
}

static SSL_CTX *create(cssl_library *library, const cssl_settings *settings, const SSL_METHOD *method) {
    cssl_begin();
    SSL_CTX *context = SSL_CTX_new_ex(library, NULL, method);
    if (!context) return NULL;
    SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                     SSL_OP_PRIORITIZE_CHACHA);
    // An idle session keeps no buffers. What a write does not take is never asked for again from the same place.
    SSL_CTX_set_mode(
        context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // A read returns after each record without data, so that whoever sends many of them has turns as others have.
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_msg_callback(context, count_message);
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(context, settings->min_version) != 1 ||
        SSL_CTX_set_max_proto_version(context, settings->max_version) != 1 ||
        (settings->ciphers && SSL_CTX_set_cipher_list(context, settings->ciphers) != 1) ||
        (settings->suites && SSL_CTX_set_ciphersuites(context, settings->suites) != 1) ||
        (settings->groups && SSL_CTX_set1_groups_list(context, settings->groups) != 1)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

cssl_context *cssl_server_context(cssl_library *library, const cssl_settings *settings, cssl_server *server) {
    cssl_begin();
    if (!server->cipher) server->cipher = EVP_CIPHER_fetch(library, "AES-256-CBC", NULL);
    if (!server->cipher) return NULL;
    SSL_CTX *context = create(library, settings, TLS_server_method());
    if (!context) return NULL;
    SSL_CTX_set_app_data(context, server);
    SSL_CTX_set_tlsext_servername_callback(context, choose_name);
    SSL_CTX_set_tlsext_servername_arg(context, server);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
    SSL_CTX_set_session_ticket_cb(context, NULL, use_ticket, server);
    if (server->protocols_count) SSL_CTX_set_alpn_select_cb(context, choose_protocol, server);
    SSL_CTX_set_num_tickets(context, 1);
    return context;
}

void cssl_server_free_algorithms(cssl_server *server) {
    EVP_CIPHER_free(server->cipher);
    server->cipher = NULL;
}

/// Keeps what a server offers, for the session that asked to have it kept.
static int keep_session(SSL *session, SSL_SESSION *offered) {
    cssl_resumption *kept = SSL_get_app_data(session);
    if (!kept) return 0;
    SSL_SESSION_free(kept->session);
    kept->session = offered;
    return 1;
}

cssl_context *cssl_client_context(cssl_library *library, const cssl_settings *settings) {
    SSL_CTX *context = create(library, settings, TLS_client_method());
    if (!context) return NULL;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    return context;
}

void cssl_context_free(cssl_context *context) { SSL_CTX_free(context); }

int cssl_use_certificate(cssl_context *context, const cssl_certificate *certificate) {
    cssl_begin();
    return SSL_CTX_use_cert_and_key(context, certificate->leaf, certificate->key, certificate->chain, 1);
}

void cssl_use_staple(cssl_context *context, const cssl_staple *response) {
    SSL_CTX_set_tlsext_status_cb(context, staple);
    pthread_once(&staple_once, make_staple_index);
    X509_set_ex_data(SSL_CTX_get0_certificate(context), staple_index, (void *)response);
}

int cssl_name_sessions(cssl_context *context, const uint8_t *name, size_t count) {
    cssl_begin();
    return SSL_CTX_set_session_id_context(context, name, (unsigned)count);
}

void cssl_verify_clients(cssl_context *context, int mode) {
    static const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    SSL_CTX_set_verify(context, modes[mode], NULL);
}

void cssl_verify_server(cssl_context *context) { SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL); }

int cssl_trust(cssl_context *context, cssl_library *library, const uint8_t *pem, size_t count, int names_them) {
    cssl_begin();
    BIO *bio = BIO_new_mem_buf(pem, (int)count);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    // Who names an intermediate authority means that one, whoever signed it.
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    int trusted = 0;
    while (bio) {
        X509 *one = X509_new_ex(library, NULL);
        if (!one || !PEM_read_bio_X509(bio, &one, NULL, NULL)) {
            X509_free(one);
            break;
        }
        int is_taken = X509_STORE_add_cert(store, one) && (!names_them || SSL_CTX_add_client_CA(context, one));
        X509_free(one);
        if (!is_taken) {
            trusted = -1;
            break;
        }
        trusted++;
    }
    BIO_free(bio);
    if (trusted > 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) trusted = -1;
    if (trusted > 0) ERR_clear_error();
    return trusted;
}

int cssl_trust_system(cssl_context *context) {
    cssl_begin();
    return SSL_CTX_set_default_verify_paths(context);
}

// Clients

int cssl_offer_protocols(cssl_context *context, const uint8_t *protocols, size_t count) {
    return SSL_CTX_set_alpn_protos(context, protocols, (unsigned)count) == 0;
}

int cssl_expect(cssl_session *session, const char *server_name, const char *host, const char *ip) {
    if (server_name && !SSL_set_tlsext_host_name(session, server_name)) return 0;
    SSL_set_hostflags(session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (host && !SSL_set1_host(session, host)) return 0;
    if (ip && !X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), ip)) return 0;
    return 1;
}

void cssl_resume(cssl_session *session, cssl_resumption *kept) {
    SSL_set_app_data(session, kept);
    // A session that is resumed is not verified again, and each one brings the next: the certificate would never end.
    const X509 *shown = kept->session ? SSL_SESSION_get0_peer(kept->session) : NULL;
    int is_good = shown && (SSL_get_verify_mode(session) == SSL_VERIFY_NONE || is_valid(shown));
    if (is_good && SSL_SESSION_is_resumable(kept->session)) {
        // A copy: connections that share one disturb each other's handshakes.
        SSL_SESSION *copy = SSL_SESSION_dup(kept->session);
        if (copy) SSL_set_session(session, copy);
        SSL_SESSION_free(copy);
    }
    ERR_clear_error();
}

void cssl_keep_session(SSL *session) {
    cssl_resumption *kept = SSL_get_app_data(session);
    SSL_SESSION *present = SSL_get_session(session);
    if (!kept || !SSL_session_reused(session) || SSL_version(session) >= TLS1_3_VERSION || present == kept->session)
        return;
    SSL_SESSION_up_ref(present);
    SSL_SESSION_free(kept->session);
    kept->session = present;
}

void cssl_resumption_clear(cssl_resumption *kept) {
    SSL_SESSION_free(kept->session);
    kept->session = NULL;
}
