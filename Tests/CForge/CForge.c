#include "CForge.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <string.h>

enum { SECRET = 32, KEY = 16, NONCE = 12, TAG = 16, HEADER = 5 };

static _Thread_local uint8_t secrets[2][SECRET];
static _Thread_local int is_known[2];

static int digit(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

int cforge_secret_of_line(const char *line, uint8_t secret[SECRET]) {
    static const char *labels[] = {"SERVER_TRAFFIC_SECRET_0 ", "CLIENT_TRAFFIC_SECRET_0 "};
    for (int by_client = 0; by_client < 2; by_client++) {
        if (strncmp(line, labels[by_client], strlen(labels[by_client])) != 0) continue;
        const char *text = strrchr(line, ' ') + 1;
        if (strlen(text) != 2 * SECRET) return -1;
        for (int i = 0; i < SECRET; i++) secret[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
        return by_client;
    }
    return -1;
}

static void keep(const SSL *session, const char *line) {
    (void)session;
    uint8_t secret[SECRET];
    int by_client = cforge_secret_of_line(line, secret);
    if (by_client < 0) return;
    memcpy(secrets[by_client], secret, SECRET);
    is_known[by_client] = 1;
}

void cforge_keep_secrets(void *context) {
    is_known[0] = is_known[1] = 0;
    SSL_CTX_set_keylog_callback(context, keep);
}

/// HKDF-Expand-Label (RFC 8446, 7.1) of at most 32 bytes, without a context.
static void expand(const uint8_t *secret, const char *label, uint8_t *to, size_t count) {
    uint8_t info[64], block[EVP_MAX_MD_SIZE];
    size_t length = strlen(label), at = 0;
    info[at++] = 0, info[at++] = (uint8_t)count, info[at++] = (uint8_t)(6 + length);
    memcpy(info + at, "tls13 ", 6), at += 6;
    memcpy(info + at, label, length), at += length;
    info[at++] = 0, info[at++] = 1;
    HMAC(EVP_sha256(), secret, SECRET, info, at, block, NULL);
    memcpy(to, block, count);
}

size_t cforge_seal_by(
    const uint8_t secret[SECRET], uint64_t sequence, uint8_t type, const uint8_t *content, size_t count,
    uint8_t *record) {
    uint8_t key[KEY], nonce[NONCE];
    expand(secret, "key", key, KEY);
    expand(secret, "iv", nonce, NONCE);
    for (int i = 0; i < 8; i++) nonce[NONCE - 1 - i] ^= (uint8_t)(sequence >> 8 * i);
    size_t sealed = count + 1 + TAG;
    uint8_t header[HEADER] = {23, 3, 3, (uint8_t)(sealed >> 8), (uint8_t)sealed};
    memcpy(record, header, HEADER);
    memcpy(record + HEADER, content, count);
    record[HEADER + count] = type;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int written = 0;
    EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, key, nonce);
    EVP_EncryptUpdate(cipher, NULL, &written, header, HEADER);
    EVP_EncryptUpdate(cipher, record + HEADER, &written, record + HEADER, (int)(count + 1));
    EVP_EncryptFinal_ex(cipher, record + HEADER + written, &written);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG, record + HEADER + count + 1);
    EVP_CIPHER_CTX_free(cipher);
    return HEADER + sealed;
}

size_t cforge_seal(
    int by_client, uint64_t sequence, uint8_t type, const uint8_t *content, size_t count, uint8_t *record) {
    if (!is_known[by_client]) return 0;
    return cforge_seal_by(secrets[by_client], sequence, type, content, count, record);
}

void cforge_next_secret(uint8_t secret[SECRET]) { expand(secret, "traffic upd", secret, SECRET); }

void cforge_leave_error(void) { ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_MESSAGE); }
