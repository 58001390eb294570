#define _GNU_SOURCE
#include "Internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/// A key that needs a passphrase is none: nobody is there to be asked.
static int no_passphrase(char *to, int room, int writes, void *argument) {
    (void)to, (void)room, (void)writes;
    *(int *)argument = 1;
    return -1;
}

static X509 *read_certificate(BIO *bio, cssl_library *library) {
    X509 *one = X509_new_ex(library, NULL);
    if (one && PEM_read_bio_X509(bio, &one, NULL, NULL)) return one;
    X509_free(one);
    return NULL;
}

static int was_end(void) {
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static const char *last_reason(void) {
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return reason ? reason : "unknown reason";
}

static int read_chain(cssl_certificate *certificate, cssl_library *library, BIO *bio, char *reason, size_t room) {
    certificate->leaf = read_certificate(bio, library);
    if (!certificate->leaf) {
        if (was_end()) snprintf(reason, room, "no certificate in PEM form");
        else snprintf(reason, room, "a certificate that cannot be read (%s)", last_reason());
        return 0;
    }
    certificate->chain = sk_X509_new_null();
    X509 *one;
    while ((one = read_certificate(bio, library)))
        if (!certificate->chain || !sk_X509_push(certificate->chain, one)) {
            X509_free(one);
            snprintf(reason, room, "out of memory");
            return 0;
        }
    if (!was_end()) {
        snprintf(
            reason, room, "certificate %d of the chain cannot be read (%s)", sk_X509_num(certificate->chain) + 2,
            last_reason());
        return 0;
    }
    ERR_clear_error();
    X509 *below = certificate->leaf;
    for (int i = 0; i < sk_X509_num(certificate->chain); i++) {
        X509 *above = sk_X509_value(certificate->chain, i);
        EVP_PKEY *key = X509_get0_pubkey(above);
        if (X509_check_issued(above, below) != X509_V_OK || !key || X509_verify(below, key) != 1) {
            snprintf(
                reason, room, "a chain that is broken: certificate %d of the file did not issue the one before it", i + 2);
            return 0;
        }
        below = above;
    }
    return 1;
}

static int read_key(
    cssl_certificate *certificate, cssl_library *library, const uint8_t *pem, size_t count, char *reason, size_t room) {
    int is_encrypted = 0;
    BIO *bio = BIO_new_mem_buf(pem, (int)count);
    if (bio) certificate->key = PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, &is_encrypted, library, NULL);
    BIO_free(bio);
    if (!certificate->key) {
        if (is_encrypted) snprintf(reason, room, "a private key that needs a passphrase");
        else if (!memmem(pem, count, "PRIVATE KEY-----", 16)) snprintf(reason, room, "no private key in PEM form");
        else snprintf(reason, room, "a private key that cannot be read");
        return 0;
    }
    if (X509_check_private_key(certificate->leaf, certificate->key) != 1) {
        snprintf(reason, room, "a private key that does not belong to the certificate");
        return 0;
    }
    return 1;
}

cssl_certificate *cssl_certificate_load(
    cssl_library *library, const uint8_t *pem, size_t pem_count, const uint8_t *key, size_t key_count, char *reason,
    size_t room) {
    ERR_clear_error();
    cssl_certificate *certificate = OPENSSL_zalloc(sizeof *certificate);
    BIO *bio = BIO_new_mem_buf(pem, (int)pem_count);
    int is_good = certificate && bio && read_chain(certificate, library, bio, reason, room) &&
                  (!key || read_key(certificate, library, key, key_count, reason, room));
    BIO_free(bio);
    ERR_clear_error();
    if (is_good) return certificate;
    cssl_certificate_free(certificate);
    return NULL;
}

void cssl_certificate_free(cssl_certificate *certificate) {
    if (!certificate) return;
    X509_free(certificate->leaf);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    OPENSSL_free(certificate);
}

// What it says

static int64_t seconds(const ASN1_TIME *time) {
    struct tm fields;
    return ASN1_TIME_to_tm(time, &fields) ? (int64_t)timegm(&fields) : 0;
}

int64_t cssl_not_before(const cssl_certificate *certificate) { return seconds(X509_get0_notBefore(certificate->leaf)); }

int64_t cssl_not_after(const cssl_certificate *certificate) { return seconds(X509_get0_notAfter(certificate->leaf)); }

int cssl_key_kind(const cssl_certificate *certificate) {
    EVP_PKEY *key = X509_get0_pubkey(certificate->leaf);
    return key ? EVP_PKEY_get_base_id(key) : 0;
}

size_t cssl_subject(const cssl_certificate *certificate, char *to, size_t room) {
    BIO *bio = BIO_new(BIO_s_mem());
    size_t count = 0;
    // Control characters and all beyond ASCII are escaped.
    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate->leaf), 0, XN_FLAG_RFC2253) >= 0) {
        int read = BIO_read(bio, to, (int)room);
        if (read > 0) count = (size_t)read;
    }
    BIO_free(bio);
    ERR_clear_error();
    return count;
}

void cssl_fingerprint(const cssl_certificate *certificate, uint8_t to[32]) {
    memset(to, 0, 32);
    X509_digest(certificate->leaf, EVP_sha256(), to, NULL);
}

static size_t copy(const ASN1_STRING *text, char *to, size_t room) {
    size_t count = (size_t)ASN1_STRING_length(text);
    if (count > room) return 0;
    memcpy(to, ASN1_STRING_get0_data(text), count);
    return count;
}

cssl_names *cssl_alternative_names(const cssl_certificate *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate->leaf, NID_subject_alt_name, NULL, NULL);
    ERR_clear_error();
    return names;
}

void cssl_names_free(cssl_names *names) { GENERAL_NAMES_free(names); }

int cssl_names_count(const cssl_names *names) { return sk_GENERAL_NAME_num(names); }

int cssl_name_at(const cssl_names *names, int index, const uint8_t **bytes, size_t *count) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    int kind = 0;
    switch (name->type) {
    case GEN_DNS: kind = 1; break;
    case GEN_URI: kind = 2; break;
    case GEN_IPADD: kind = 3; break;
    default: break;
    }
    *bytes = kind ? ASN1_STRING_get0_data(name->d.ia5) : NULL;
    *count = kind ? (size_t)ASN1_STRING_length(name->d.ia5) : 0;
    return kind;
}

size_t cssl_common_name(const cssl_certificate *certificate, char *to, size_t room) {
    X509_NAME *subject = X509_get_subject_name(certificate->leaf);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) return 0;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
    return text ? copy(text, to, room) : 0;
}

// Bundles

cssl_bundle *cssl_bundle_read(const uint8_t *pem, size_t count) {
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem, (int)count);
    STACK_OF(X509) *bundle = NULL;
    X509 *one;
    while (bio && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        if (!bundle) bundle = sk_X509_new_null();
        if (!bundle || !sk_X509_push(bundle, one)) {
            X509_free(one);
            break;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    return bundle;
}

void cssl_bundle_free(cssl_bundle *bundle) { sk_X509_pop_free(bundle, X509_free); }

int cssl_bundle_count(const cssl_bundle *bundle) { return sk_X509_num(bundle); }

cssl_certificate *cssl_bundle_at(const cssl_bundle *bundle, int index) {
    cssl_certificate *certificate = OPENSSL_zalloc(sizeof *certificate);
    if (!certificate) return NULL;
    certificate->leaf = sk_X509_value(bundle, index);
    X509_up_ref(certificate->leaf);
    return certificate;
}

// Stapled answers

int64_t cssl_check_staple(
    const cssl_certificate *certificate, const uint8_t *bytes, size_t count, char *reason, size_t room) {
    const unsigned char *at = bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)count);
    OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
    int64_t until = -1;
    if (!response) snprintf(reason, room, "no OCSP response in DER form");
    else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL || !basic)
        snprintf(reason, room, "an OCSP response that is a refusal");
    else {
        snprintf(reason, room, "an OCSP response for another certificate");
        const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate->leaf);
        for (int i = 0; i < OCSP_resp_count(basic); i++) {
            OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
            ASN1_INTEGER *number = NULL;
            OCSP_id_get0_info(NULL, NULL, NULL, &number, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
            if (!number || ASN1_INTEGER_cmp(number, serial) != 0) continue;
            ASN1_GENERALIZEDTIME *next = NULL;
            int status = OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
            if (status != V_OCSP_CERTSTATUS_GOOD) {
                snprintf(reason, room, "an OCSP response that says the certificate is not good");
                break;
            }
            until = next ? seconds(next) : INT64_MAX;
            break;
        }
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return until;
}
